// Kernels over windows of an image; included like simd_kernels.h, on which they build.
#pragma once

#include "kernels/simd_kernels.h"

namespace millrace::kernels {
namespace {

// What MatrixRows is for a matrix.
struct WindowRows {
  template <int64_t kRows>
  struct Some {
    float At(int64_t r, int64_t i) const { return x[r][inputs[i]]; }
    const float* x[kRows];
    const int64_t* inputs;
  };
  template <int64_t kRows>
  Some<kRows> From(int64_t row) const {
    Some<kRows> some;
    some.inputs = windows.inputs;
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRows; ++r) some.x[r] = windows.x + windows.offsets[row + r];
    return some;
  }

  const Windows& windows;
  int64_t count = windows.count, in = windows.in;
};

void DenseWindows(const Windows& windows, const float* weights, const float* bias, int64_t panels,
                  float* y) {
  DensePanels<kPanelsAtOnce>(WindowRows{windows}, weights, bias, panels, y, panels * kPanel);
}

void BytesToFloats(const uint8_t* x, int64_t size, float* out) {
  for (int64_t i = 0; i < size; ++i) out[i] = x[i];
}

}  // namespace
}  // namespace millrace::kernels
