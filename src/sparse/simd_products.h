// Products with packed matrices, and the activations behind them. Included like simd_formats.h.
#pragma once

#include "sparse/simd_formats.h"

namespace millrace::sparse {
namespace {

// Sums of kOutputs * kGroups outputs over kColumns vectors of rows, held in registers: kGroups
// groups of outputs, each with one pattern.
template <typename Format, int64_t kOutputs, int64_t kGroups, int64_t kColumns>
inline void ProductBlock(const PackedPanel& panel, int64_t pairs, int64_t output, int64_t shared_by,
                         const std::byte* x, bool first, float* sums) {
  using Element = typename Format::Element;
  constexpr int64_t kRows = kOutputs * kGroups;
  Vector acc[kRows][kColumns];
#pragma GCC unroll 16
  for (int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int64_t c = 0; c < kColumns; ++c) {
      acc[r][c] = first ? Vector{} : Load(sums + r * kTile + c * kWidth);
    }
  }
  const int64_t patterns = kPanel / shared_by;
  for (int64_t p = 0; p < pairs; ++p) {
#pragma GCC unroll 8
    for (int64_t g = 0; g < kGroups; ++g) {
      const int64_t o = output + g * kOutputs;
      const uint32_t offsets = panel.offsets[p * patterns + o / shared_by];
      const auto* a =
          reinterpret_cast<const Element*>(x + int64_t{offsets & 0xFFFF} * kOffsetBytes);
      const auto* b = reinterpret_cast<const Element*>(x + int64_t{offsets >> 16} * kOffsetBytes);
      float wa[kOutputs], wb[kOutputs];
#pragma GCC unroll 8
      for (int64_t v = 0; v < kOutputs; ++v) Format::Weights(panel.values, p, o + v, wa[v], wb[v]);
#pragma GCC unroll 8
      for (int64_t c = 0; c < kColumns; ++c) {
        const Vector xb = Format::LoadElements(b + c * kWidth);
        const Vector xa = Format::LoadElements(a + c * kWidth);
#pragma GCC unroll 8
        for (int64_t v = 0; v < kOutputs; ++v) {
          Vector& sum = acc[g * kOutputs + v][c];
          sum = xa * wa[v] + sum;
          sum = xb * wb[v] + sum;
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int64_t c = 0; c < kColumns; ++c) Store(sums + r * kTile + c * kWidth, acc[r][c]);
  }
}

template <typename Format, int64_t kOutputs, int64_t kGroups, int64_t kColumns>
inline void ProductOfPanel(const PackedPanel& panel, int64_t pairs, int64_t shared_by,
                           const std::byte* x, bool first, float* sums) {
  for (int64_t column = 0; column < kTile; column += kColumns * kWidth) {
    const std::byte* part = x + column * ElementBytes(Format::kPrecision);
    for (int64_t output = 0; output < kPanel; output += kOutputs * kGroups) {
      ProductBlock<Format, kOutputs, kGroups, kColumns>(panel, pairs, output, shared_by, part,
                                                        first, sums + output * kTile + column);
    }
  }
}

template <typename Format>
void Product(const PackedPanel& panel, int64_t pairs, int64_t shared_by, const std::byte* x,
             bool first, bool /*last*/, float* sums) {
  // As many sums as there are registers, but for the operands.
  constexpr int64_t kSums = kWidth == 16 ? 16 : 8;
  constexpr int64_t kColumns = kTileVectors < kSums / 2 ? kTileVectors : kSums / 2;
  if (shared_by == 1) {
    ProductOfPanel<Format, 1, 2, kColumns>(panel, pairs, shared_by, x, first, sums);
  } else if (shared_by == 2) {
    ProductOfPanel<Format, 2, 1, kColumns>(panel, pairs, shared_by, x, first, sums);
  } else {
    ProductOfPanel<Format, 4, 1, kSums / 4>(panel, pairs, shared_by, x, first, sums);
  }
}

template <typename Format>
void Activate(const float* sums, const float* bias, Nonlinearity f, std::byte* y) {
  auto* out = reinterpret_cast<typename Format::Element*>(y);
  for (int64_t o = 0; o < kPanel; ++o) {
    const Vector b = Splat(bias[o]);
    for (int64_t i = o * kTile; i < (o + 1) * kTile; i += kWidth) {
      Vector value = Load(sums + i) + b;
      if (f == Nonlinearity::kTanh) value = kernels::Tanh(value);
      if (f == Nonlinearity::kRelu) value = value < 0.0F ? Vector{} : value;  // NaN stays NaN
      Format::StoreElements(out + i, value);
    }
  }
}

template <typename Format>
void ActivateBackward(const float* sums, const std::byte* y, Nonlinearity f, std::byte* gradient,
                      float* bias_gradient) {
  const auto* values = reinterpret_cast<const typename Format::Element*>(y);
  auto* out = reinterpret_cast<typename Format::Element*>(gradient);
  for (int64_t o = 0; o < kPanel; ++o) {
    Vector total{};
    for (int64_t i = o * kTile; i < (o + 1) * kTile; i += kWidth) {
      const Vector value = Format::LoadElements(values + i);
      Vector g = Load(sums + i);
      if (f == Nonlinearity::kTanh) g = g * (1.0F - value * value);
      if (f == Nonlinearity::kRelu) g = value > 0.0F ? g : Vector{};
      total += g;
      Format::StoreElements(out + i, g);
    }
    float lanes[kWidth], sum = 0;
    Store(lanes, total);
    for (float lane : lanes) sum += lane;
    bias_gradient[o] += sum;
  }
}

}  // namespace
}  // namespace millrace::sparse
