// How the dense backend gets from a minibatch to heads and from head gradients to parameter
// gradients: by autograd for any policy, by hand for the built-in mlp.
#pragma once

#include <memory>

#include "backends/dense/flat_parameters.h"
#include "millrace/models/policy.h"

namespace millrace {

// Bound to one thread. May throw what LibTorch throws.
class HeadEvaluator {
 public:
  virtual ~HeadEvaluator() = default;
  // Heads as leaves that require gradient.
  virtual HeadOutputs Forward(const TensorDict& minibatch) = 0;
  // Writes FlatParameters::gradients() from the `.grad()` of the heads of the last Forward(); an
  // undefined one counts as zero.
  virtual void Backward(const HeadOutputs& heads) = 0;
};

std::unique_ptr<HeadEvaluator> MakeAutogradEvaluator(std::shared_ptr<Policy> policy,
                                                     FlatParameters& parameters);

// Null if the policy is not a built-in mlp. Both references are kept.
std::unique_ptr<HeadEvaluator> MakeMlpEvaluator(std::shared_ptr<Policy> policy,
                                                FlatParameters& parameters);

// What the policy computes of a minibatch; `first` and `state` are read if it is recurrent.
HeadOutputs ForwardOf(Policy& policy, const TensorDict& minibatch);

// The heads cut off from their graph.
HeadOutputs AsLeaves(const HeadOutputs& heads);

// For evaluators that compute the layers themselves. The leaf's gradient, 0 if it is undefined.
torch::Tensor GradientOf(const torch::Tensor& leaf);
// Where choices are masked; undefined without a mask.
torch::Tensor MaskedChoices(const HeadOutputs& heads, const TensorDict& minibatch);
// [N, choices + reals], 0 where `masked`.
torch::Tensor PolicyHeadGradient(const HeadOutputs& heads, const torch::Tensor& masked);

}  // namespace millrace
