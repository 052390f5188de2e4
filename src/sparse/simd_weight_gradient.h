// The dense gradient of the weights. Included like simd_formats.h.
#pragma once

#include "sparse/simd_formats.h"

namespace millrace::sparse {
namespace {

// The sums of a block of kRows rows and kVectors vectors of features over all tiles.
template <typename Format>
struct GradientBlock {
  template <int64_t kRows, int64_t kVectors>
  static void Run(const std::byte* g, int64_t g_stride, const std::byte* transposed,
                  int64_t x_stride, int64_t tiles, int64_t columns, bool add, float* out,
                  int64_t out_stride) {
    constexpr int64_t kWords = kTile * ElementBytes(Format::kPrecision) / 4;
    constexpr int64_t kPanelBytes = kWords * kPanel * 4;
    Vector acc[kRows][kVectors] = {};
    for (int64_t tile = 0; tile < tiles; ++tile, g += g_stride, transposed += x_stride) {
      for (int64_t word = 0; word < kWords; ++word) {
        UintVector x[kVectors];
#pragma GCC unroll 8
        for (int64_t n = 0; n < kVectors; ++n) {
          x[n] = LoadWords(transposed + n / kPanelVectors * kPanelBytes +
                           (word * kPanel + n % kPanelVectors * kWidth) * 4);
        }
#pragma GCC unroll 16
        for (int64_t r = 0; r < kRows; ++r) {
          const uint32_t scalar = reinterpret_cast<const uint32_t*>(g)[r * kWords + word];
#pragma GCC unroll 8
          for (int64_t n = 0; n < kVectors; ++n) {
            if constexpr (Format::kPrecision == Precision::kFloat32) {
              acc[r][n] = FromBits(x[n]) * __builtin_bit_cast(float, scalar) + acc[r][n];
            } else {
              acc[r][n] =
                  FromBits(x[n] & 0xFFFF0000) * __builtin_bit_cast(float, scalar & 0xFFFF0000) +
                  acc[r][n];
              acc[r][n] =
                  FromBits(x[n] << 16) * __builtin_bit_cast(float, scalar << 16) + acc[r][n];
            }
          }
        }
      }
    }
#pragma GCC unroll 16
    for (int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
      for (int64_t n = 0; n < kVectors; ++n) {
        float* to = out + r * out_stride + n * kWidth;
        const int64_t width = columns - n * kWidth;
        if (width >= kWidth) {
          Store(to, add ? Load(to) + acc[r][n] : acc[r][n]);
        } else {
          float part[kWidth];
          Store(part, acc[r][n]);
          for (int64_t c = 0; c < width; ++c) to[c] = (add ? to[c] : 0.0F) + part[c];
        }
      }
    }
  }
};

// Of all rows, in blocks of kRows, then of half as many.
template <typename Block, int64_t kRows, int64_t kVectors>
inline void GradientBlocks(const std::byte* g, int64_t g_stride, const std::byte* transposed,
                           int64_t x_stride, int64_t tiles, int64_t rows, int64_t columns, bool add,
                           float* out, int64_t out_stride, int64_t row_bytes) {
  for (; rows >= kRows; rows -= kRows, g += kRows * row_bytes, out += kRows * out_stride) {
    Block::template Run<kRows, kVectors>(g, g_stride, transposed, x_stride, tiles, columns, add,
                                         out, out_stride);
  }
  if constexpr (kRows > 1) {
    GradientBlocks<Block, kRows / 2, kVectors>(g, g_stride, transposed, x_stride, tiles, rows,
                                               columns, add, out, out_stride, row_bytes);
  }
}

// Features outermost: their panels stay in the first-level cache.
template <typename Block, Precision kPrecision>
void WeightGradient(const std::byte* g, int64_t g_stride, const std::byte* transposed,
                    int64_t x_stride, int64_t tiles, int64_t rows, int64_t columns, bool add,
                    float* out, int64_t out_stride) {
  constexpr int64_t kRows = kWidth == 16 ? 12 : kWidth == 8 ? 6 : 3;
  constexpr int64_t kRowBytes = kTile * ElementBytes(kPrecision);
  constexpr int64_t kPanelBytes = kRowBytes * kPanel;
  constexpr int64_t kPanelsAtOnce = kWidth == 16 ? 2 : 1;
  for (int64_t column = 0; column < columns;) {
    const std::byte* x = transposed + column / kPanel * kPanelBytes;
    if (columns - column > kPanel && kPanelsAtOnce == 2) {
      GradientBlocks<Block, kRows, kPanelsAtOnce * kPanelVectors>(
          g, g_stride, x, x_stride, tiles, rows, columns - column, add, out + column, out_stride,
          kRowBytes);
      column += kPanelsAtOnce * kPanel;
    } else {
      GradientBlocks<Block, kRows, kPanelVectors>(g, g_stride, x, x_stride, tiles, rows,
                                                  columns - column, add, out + column, out_stride,
                                                  kRowBytes);
      column += kPanel;
    }
  }
}

}  // namespace
}  // namespace millrace::sparse
