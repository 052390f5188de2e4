// A minibatch computed in slices, so that its gradients have the same bits however many ranks share
// it: products of one size each, added in one order.
#pragma once

#include <memory>

#include "backends/dense/head_evaluator.h"
#include "millrace/backends/backend.h"

namespace millrace {

// Evaluates a policy slice by slice. Bound to one thread.
class SlicedEvaluator : public HeadEvaluator {
 public:
  SlicedEvaluator(std::shared_ptr<Policy> policy, FlatParameters& parameters)
      : policy_(std::move(policy)), parameters_(parameters) {}

  // So many of the minibatches that follow, whose samples are a multiple of it; `ranks` share a
  // minibatch, of whose loss each computes the mean over its own samples.
  void Cut(int64_t slices, int ranks) {
    slices_ = slices;
    ranks_ = ranks;
  }
  HeadOutputs Forward(const TensorDict& minibatch) override;
  // Of every slice by itself: gradients().
  void Backward(const HeadOutputs& heads) override;
  // [slices, parameters].
  const torch::Tensor& gradients() const { return gradients_; }

 private:
  const std::shared_ptr<Policy> policy_;
  FlatParameters& parameters_;
  int64_t slices_ = 1;
  int ranks_ = 1;
  std::vector<HeadOutputs> outputs_;  // of each slice, with their graph
  torch::Tensor gradients_;
};

// The sum over the slices of all ranks, in the order of ranks and slices. of_slices [slices,
// numbers], as many on every rank; sum [numbers].
absl::Status SumSlices(const torch::Tensor& of_slices, torch::Tensor& sum, Collectives& group);

}  // namespace millrace
