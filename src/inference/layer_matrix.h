// A layer's weights as the matrix that N:M patterns are of.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
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
  int64_t rows = 0, columns = 1, taps = 1;
  bool is_convolution = false;
};

// Between matrices, rows `stride` apart, and weights as LibTorch has them, whose taps lie side by
// side.
inline void ReadMatrix(const LayerMatrix& matrix, const float* weights, float* to, int64_t stride) {
  const int64_t channels = matrix.columns / matrix.taps;
  for (int64_t row = 0; row < matrix.rows; ++row, weights += matrix.columns, to += stride) {
    if (matrix.taps == 1) std::copy_n(weights, channels, to);
    for (int64_t tap = 0; matrix.taps > 1 && tap < matrix.taps; ++tap) {
      for (int64_t c = 0; c < channels; ++c)
        to[tap * channels + c] = weights[c * matrix.taps + tap];
    }
  }
}
inline void WriteMatrix(const LayerMatrix& matrix, const float* from, int64_t stride,
                        float* weights) {
  const int64_t channels = matrix.columns / matrix.taps;
  for (int64_t row = 0; row < matrix.rows; ++row, weights += matrix.columns, from += stride) {
    if (matrix.taps == 1) std::copy_n(from, channels, weights);
    for (int64_t tap = 0; matrix.taps > 1 && tap < matrix.taps; ++tap) {
      for (int64_t c = 0; c < channels; ++c) {
        weights[c * matrix.taps + tap] = from[tap * channels + c];
      }
    }
  }
}

// The layer that an entry has the weights of, NAME of NAME.weight, or an empty name.
inline std::string LayerNameOf(const ParameterEntry& entry) {
  constexpr std::string_view kSuffix = ".weight";
  if (entry.shape.size() < 2 || !entry.name.ends_with(kSuffix)) return "";
  return entry.name.substr(0, entry.name.size() - kSuffix.size());
}

}  // namespace millrace
