#include "workers/trainer/minibatches.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "millrace/core/rng.h"

namespace millrace {
namespace {

constexpr char kState[] = "state";

// The first T of T or T+1 steps.
torch::Tensor FirstSteps(const torch::Tensor& tensor, int64_t steps) {
  return tensor.size(0) == steps ? tensor : tensor.narrow(0, 0, steps);
}

// [T, B, ...] -> [L, C*B, ...]: chunk c of row b is item c*B + b.
torch::Tensor ToChunks(const torch::Tensor& tensor, int64_t chunk, int64_t rows) {
  const int64_t chunks = tensor.size(0) / chunk;
  std::vector<int64_t> split = {chunks, chunk, rows};
  std::vector<int64_t> merged = {chunk, chunks * rows};
  for (int64_t d = 2; d < tensor.dim(); ++d) {
    split.push_back(tensor.size(d));
    merged.push_back(tensor.size(d));
  }
  return tensor.reshape(split).transpose(0, 1).reshape(merged);
}

}  // namespace

ItemView::ItemView(const TensorDict& batch, TrainingPlan::Unit unit, int64_t steps, int64_t rows,
                   int64_t chunk) {
  const bool sequences = unit == TrainingPlan::Unit::kSequences;
  const bool chunks = !sequences && chunk > 0;
  item_dimension_ = sequences || chunks ? 1 : 0;
  steps_per_item_ = sequences ? steps : chunks ? chunk : 1;
  items_ = sequences ? rows : steps * rows / steps_per_item_;
  for (const auto& [name, tensor] : batch) {
    if (name == kState) {
      tensors_[name] = sequences ? tensor.select(0, 0) : tensor.flatten(0, 1);
    } else if (sequences) {
      tensors_[name] = tensor;
    } else if (chunks) {
      tensors_[name] = ToChunks(FirstSteps(tensor, steps), chunk, rows);
    } else {
      tensors_[name] = FirstSteps(tensor, steps).flatten(0, 1);
    }
  }
}

int64_t ItemView::DimensionOf(const std::string& name) const {
  return name == kState ? 0 : item_dimension_;
}

TensorDict ItemView::Shuffled(const torch::Tensor& permutation) const {
  TensorDict shuffled;
  torch::Tensor order;  // where the tensors are
  for (const auto& [name, tensor] : tensors_) {
    if (!order.defined()) order = permutation.to(tensor.device());
    shuffled[name] = tensor.index_select(DimensionOf(name), order);
  }
  return shuffled;
}

TensorDict ItemView::Spaced(int64_t steps) const {
  const int64_t count = std::clamp<int64_t>(steps / steps_per_item_, 1, items_);
  return Shuffled(torch::arange(count, torch::kInt64).mul_(items_).floor_divide_(count));
}

TensorDict ItemView::Slice(const TensorDict& shuffled, int64_t begin, int64_t count) const {
  TensorDict slice;
  for (const auto& [name, tensor] : shuffled) {
    slice[name] = tensor.narrow(DimensionOf(name), begin, count);
  }
  return slice;
}

torch::Tensor Permutation(uint64_t seed, uint64_t batch, int64_t epoch, int64_t items) {
  torch::Tensor permutation = torch::empty({items}, torch::kInt64);
  int64_t* const values = permutation.data_ptr<int64_t>();
  std::iota(values, values + items, int64_t{0});
  constexpr uint64_t kShuffleStream = 0x5368756666;
  Rng rng(seed, kShuffleStream + static_cast<uint64_t>(epoch), batch << 32);
  for (int64_t i = items - 1; i > 0; --i) {
    std::swap(values[i], values[rng.Below(static_cast<uint64_t>(i) + 1)]);
  }
  return permutation;
}

}  // namespace millrace
