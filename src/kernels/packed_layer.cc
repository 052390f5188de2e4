#include "kernels/packed_layer.h"

#include <algorithm>

namespace millrace {

PackedLayer::PackedLayer(int64_t in, int64_t out)
    : in_(in), panels_(PadToPanel(out) / kernels::kPanel) {
  weights_.Reserve(static_cast<size_t>(panels_ * kernels::kPanel * in));
  bias_.Reserve(static_cast<size_t>(padded_out()));
}

void PackedLayer::Clear() {
  std::fill_n(weights_.data(), padded_out() * in_, 0.0F);
  std::fill_n(bias_.data(), padded_out(), 0.0F);
}

void PackedLayer::Pack(std::span<const float> weight, std::span<const float> bias, int64_t rows,
                       int64_t columns, int64_t out_offset, int64_t in_offset) {
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t out = out_offset + row;
    bias_.data()[out] += bias[static_cast<size_t>(row)];
    float* panel = weights_.data() + out / kernels::kPanel * in_ * kernels::kPanel;
    for (int64_t column = 0; column < columns; ++column) {
      panel[(in_offset + column) * kernels::kPanel + out % kernels::kPanel] =
          weight[static_cast<size_t>(row * columns + column)];
    }
  }
}

void PackedLayer::Apply(const kernels::KernelSet& kernels, const float* x, int64_t x_stride,
                        int64_t rows, float* y) const {
  kernels.dense(x, x_stride, rows, in_, weights_.data(), bias_.data(), panels_, y);
}

void PackedLayer::Apply(const kernels::KernelSet& kernels, const kernels::Windows& windows,
                        float* y) const {
  kernels.dense_windows(windows, weights_.data(), bias_.data(), panels_, y);
}

}  // namespace millrace
