#include "backends/native/item_column.h"

#include <algorithm>
#include <cstring>

#include "models/torch_dtype.h"

namespace millrace {
namespace {

template <size_t kBytes>
void CopyRows(const std::byte* source, std::span<const int64_t> rows, std::byte* to) {
  for (int64_t row : rows) {
    std::memcpy(to, source + static_cast<size_t>(row) * kBytes, kBytes);
    to += kBytes;
  }
}

void CopyRows(const std::byte* source, size_t row_bytes, std::span<const int64_t> rows,
              std::byte* to) {
  switch (row_bytes) {
    case 1:
      return CopyRows<1>(source, rows, to);
    case 4:
      return CopyRows<4>(source, rows, to);
    case 16:
      return CopyRows<16>(source, rows, to);
    default:
      for (int64_t row : rows) {
        std::memcpy(to, source + static_cast<size_t>(row) * row_bytes, row_bytes);
        to += row_bytes;
      }
  }
}

}  // namespace

ItemColumn::ItemColumn(const torch::Tensor& tensor, bool chunks)
    : tensor_(tensor.contiguous()),
      steps_(chunks ? tensor.size(0) : 1),
      items_(tensor.size(chunks ? 1 : 0)),
      row_bytes_(tensor.nbytes() / static_cast<size_t>(std::max<int64_t>(1, steps_ * items_))),
      dtype_(FromTorch(tensor.scalar_type())),
      shape_(tensor.sizes().begin() + (chunks ? 1 : 0), tensor.sizes().end()) {}

void ItemColumn::Gather(std::span<const int64_t> items) {
  if (!present()) return;
  const size_t step_bytes = items.size() * row_bytes_;
  shape_[0] = steps_ * static_cast<int64_t>(items.size());
  gathered_.resize(static_cast<size_t>(steps_) * step_bytes);
  const auto* source = static_cast<const std::byte*>(tensor_.const_data_ptr());
  std::byte* to = gathered_.data();
  for (int64_t step = 0; step < steps_; ++step) {
    CopyRows(source, row_bytes_, items, to);
    source += static_cast<size_t>(items_) * row_bytes_;
    to += step_bytes;
  }
}

TensorView ItemColumn::view() { return {dtype_, shape_, present() ? gathered_.data() : nullptr}; }

}  // namespace millrace
