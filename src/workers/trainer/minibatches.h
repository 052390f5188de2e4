// How a batch of [T, B] is cut into minibatches.
#pragma once

#include <cstdint>
#include <vector>

#include "millrace/algorithms/algorithm.h"
#include "millrace/models/policy.h"

namespace millrace {

// The batch rearranged so that a minibatch is a choice of items:
//   steps      every tensor [T*B, ...]                      item = one step
//   chunks     every tensor [L, C*B, ...], state [C*B, S]   item = one chunk of a recurrent policy
//   sequences  every tensor [T or T+1, B, ...], state [B, S]  item = one row over the whole unroll
// Thread-compatible.
class ItemView {
 public:
  // `chunk` > 0 for recurrent policies.
  ItemView(const TensorDict& batch, TrainingPlan::Unit unit, int64_t steps, int64_t rows,
           int64_t chunk);

  const TensorDict& tensors() const { return tensors_; }
  int64_t items() const { return items_; }
  int64_t steps_per_item() const { return steps_per_item_; }
  // All items in the order of `permutation` (int64 [items]).
  TensorDict Shuffled(const torch::Tensor& permutation) const;
  // Evenly spaced items, of about `steps` steps together.
  TensorDict Spaced(int64_t steps) const;
  // Items [begin, begin + count) of a shuffled view.
  TensorDict Slice(const TensorDict& shuffled, int64_t begin, int64_t count) const;

 private:
  int64_t DimensionOf(const std::string& name) const;

  TensorDict tensors_;
  int64_t items_ = 0;
  int64_t steps_per_item_ = 1;
  // Of every tensor but the recurrent state, whose items lie in dimension 0.
  int64_t item_dimension_ = 0;
};

// A permutation of 0..items-1 that depends on (seed, batch, epoch) alone.
torch::Tensor Permutation(uint64_t seed, uint64_t batch, int64_t epoch, int64_t items);

}  // namespace millrace
