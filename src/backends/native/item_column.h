// One tensor of a batch, and what a minibatch takes of it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "millrace/data/tensor_view.h"
#include "millrace/models/torch.h"

namespace millrace {

// Thread-compatible.
class ItemColumn {
 public:
  // Of a field that the batch lacks: views have no data.
  ItemColumn() = default;
  // Items lie in dimension 0: [N, ...]; or, with `chunks`, steps of items: [L, N, ...].
  ItemColumn(const torch::Tensor& tensor, bool chunks);

  bool present() const { return tensor_.defined(); }
  int64_t steps() const { return steps_; }  // L, or 1
  int64_t items() const { return items_; }  // N

  // Copies the given items, every step of them, step after step.
  void Gather(std::span<const int64_t> items);
  // What was gathered last: [L * number of items, ...].
  TensorView view();
  template <typename T>
  const T* data() {
    return present() ? view().As<T>().data() : nullptr;
  }

 private:
  torch::Tensor tensor_;  // contiguous
  int64_t steps_ = 1, items_ = 0;
  size_t row_bytes_ = 0;
  DType dtype_ = DType::kFloat32;
  std::vector<int64_t> shape_;  // of what was gathered
  std::vector<std::byte> gathered_;
};

}  // namespace millrace
