// Kernels over windows of an image; included like simd_kernels.h, on which they build.
#pragma once

#include "inference/simd_kernels.h"

namespace millrace::kernels {
namespace {

// A tile of kRows windows x kPanels panels, its sums held in registers.
template <int64_t kRows, int64_t kPanels>
inline void WindowTile(const Windows& windows, int64_t row, const float* weights, const float* bias,
                       float* y, int64_t y_stride) {
  constexpr int64_t kColumns = kPanels * kVectors;
  const float* x[kRows];
  Vector sums[kRows][kColumns];
#pragma GCC unroll 8
  for (int64_t r = 0; r < kRows; ++r) {
    x[r] = windows.x + windows.offsets[row + r];
#pragma GCC unroll 8
    for (int64_t c = 0; c < kColumns; ++c) sums[r][c] = Load(bias + c * kWidth);
  }
  for (int64_t i = 0; i < windows.in; ++i) {
    const int64_t input = windows.inputs[i];
    Vector w[kColumns];
#pragma GCC unroll 8
    for (int64_t c = 0; c < kColumns; ++c) {
      w[c] = Load(weights + (c / kVectors * windows.in + i) * kPanel + c % kVectors * kWidth);
    }
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRows; ++r) {
      const float scalar = x[r][input];
#pragma GCC unroll 8
      for (int64_t c = 0; c < kColumns; ++c) sums[r][c] += scalar * w[c];
    }
  }
#pragma GCC unroll 8
  for (int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int64_t c = 0; c < kColumns; ++c) Store(y + (row + r) * y_stride + c * kWidth, sums[r][c]);
  }
}

// The windows from `row` on.
template <int64_t kPanels, int64_t kRows>
inline void WindowRows(const Windows& windows, int64_t row, const float* weights, const float* bias,
                       float* y, int64_t y_stride) {
  for (; row + kRows <= windows.count; row += kRows) {
    WindowTile<kRows, kPanels>(windows, row, weights, bias, y, y_stride);
  }
  if constexpr (kRows > 1) {
    WindowRows<kPanels, (kRows + 1) / 2>(windows, row, weights, bias, y, y_stride);
  }
}

template <int64_t kPanels>
inline void WindowPanels(const Windows& windows, const float* weights, const float* bias,
                         int64_t panels, float* y, int64_t y_stride) {
  for (; panels >= kPanels; panels -= kPanels) {
    WindowRows<kPanels, kRowsAtOnce>(windows, 0, weights, bias, y, y_stride);
    weights += kPanels * windows.in * kPanel;
    bias += kPanels * kPanel;
    y += kPanels * kPanel;
  }
  if constexpr (kPanels > 1) {
    WindowPanels<kPanels / 2>(windows, weights, bias, panels, y, y_stride);
  }
}

void DenseWindows(const Windows& windows, const float* weights, const float* bias, int64_t panels,
                  float* y) {
  WindowPanels<kPanelsAtOnce>(windows, weights, bias, panels, y, panels * kPanel);
}

void BytesToFloats(const uint8_t* x, int64_t size, float* out) {
  for (int64_t i = 0; i < size; ++i) out[i] = x[i];
}

}  // namespace
}  // namespace millrace::kernels
