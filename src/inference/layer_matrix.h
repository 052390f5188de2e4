// A layer's weights as the matrix that N:M patterns are of.
#pragma once

#include <cstdint>
#include <vector>

#include "millrace/inference/model_spec.h"

namespace millrace {

// [out, in]; of a convolution [filters, taps of the kernel x channels], channels side by side, so
// that a group is of channels at one tap (Fang et al. 2023, arXiv:2309.13015). Thread-compatible.
struct LayerMatrix {
  // Of a shape as LibTorch has it: [out, in], [filters, channels, height, width], or a vector, of
  // one column.
  static LayerMatrix Of(const std::vector<int64_t>& shape) {
    LayerMatrix matrix{.rows = shape[0]};
    if (shape.size() > 1) matrix.columns = NumElements(shape) / shape[0];
    matrix.is_convolution = shape.size() > 2;
    if (matrix.is_convolution) matrix.taps = matrix.columns / shape[1];
    return matrix;
  }
  // Where a column's weight is in a row as LibTorch has it: taps side by side.
  int64_t TorchColumn(int64_t column) const {
    const int64_t channels = columns / taps;
    return column % channels * taps + column / channels;
  }

  int64_t rows = 0, columns = 1, taps = 1;
  bool is_convolution = false;
};

// Between matrices, rows `stride` apart, and weights as LibTorch has them.
inline void ReadMatrix(const LayerMatrix& matrix, const float* weights, float* to, int64_t stride) {
  for (int64_t row = 0; row < matrix.rows; ++row, weights += matrix.columns, to += stride) {
    for (int64_t i = 0; i < matrix.columns; ++i) to[i] = weights[matrix.TorchColumn(i)];
  }
}
inline void WriteMatrix(const LayerMatrix& matrix, const float* from, int64_t stride,
                        float* weights) {
  for (int64_t row = 0; row < matrix.rows; ++row, weights += matrix.columns, from += stride) {
    for (int64_t i = 0; i < matrix.columns; ++i) weights[matrix.TorchColumn(i)] = from[i];
  }
}

}  // namespace millrace
