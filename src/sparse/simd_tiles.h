// Between rows of a batch and tiles. Included like simd_formats.h.
#pragma once

#include "sparse/simd_formats.h"

namespace millrace::sparse {
namespace {

template <int64_t kStep, int64_t... kLane>
inline void Exchange(Vector& a, Vector& b, Lanes<kLane...>) {
  // Lanes with the bit kStep set change places with those without, between the two.
  const Vector low =
      __builtin_shufflevector(a, b, ((kLane & kStep) == 0 ? kLane : kLane - kStep + kWidth)...);
  const Vector high =
      __builtin_shufflevector(a, b, ((kLane & kStep) == 0 ? kLane + kStep : kLane + kWidth)...);
  a = low;
  b = high;
}

template <int64_t kStep>
inline void ExchangeAll(Vector (&m)[kWidth]) {
#pragma GCC unroll 16
  for (int64_t i = 0; i < kWidth; ++i) {
    if ((i & kStep) == 0) Exchange<kStep>(m[i], m[i + kStep], EveryLane());
  }
  if constexpr (kStep > 1) ExchangeAll<kStep / 2>(m);
}

// Eklundh 1972: blocks off the diagonal change places, from halves down to single numbers.
inline void Transpose(Vector (&m)[kWidth]) { ExchangeAll<kWidth / 2>(m); }

// kWidth rows of which `columns` numbers count.
inline void LoadRows(const float* x, int64_t stride, int64_t rows, int64_t columns,
                     Vector (&m)[kWidth]) {
#pragma GCC unroll 16
  for (int64_t r = 0; r < kWidth; ++r) {
    if (r >= rows) {
      m[r] = Vector{};
    } else if (columns >= kWidth) {
      m[r] = Load(x + r * stride);
    } else {
      float part[kWidth] = {};
      for (int64_t c = 0; c < columns; ++c) part[c] = x[r * stride + c];
      m[r] = Load(part);
    }
  }
}

template <typename Format>
void TileOfRows(const float* x, int64_t stride, int64_t rows, int64_t columns, std::byte* tile) {
  auto* out = reinterpret_cast<typename Format::Element*>(tile);
  for (int64_t row = 0; row < kTile; row += kWidth) {
    for (int64_t column = 0; column < columns; column += kWidth) {
      Vector m[kWidth];
      LoadRows(x + row * stride + column, stride, rows - row, columns - column, m);
      Transpose(m);
#pragma GCC unroll 16
      for (int64_t c = 0; c < kWidth; ++c) {
        if (c < columns - column) Format::StoreElements(out + (column + c) * kTile + row, m[c]);
      }
    }
  }
}

void RowsOfSums(const float* sums, const float* bias, int64_t rows, int64_t columns, float* y,
                int64_t stride) {
  for (int64_t column = 0; column < columns; column += kWidth) {
    const int64_t width = columns - column < kWidth ? columns - column : kWidth;
    for (int64_t row = 0; row < rows; row += kWidth) {
      Vector m[kWidth];
#pragma GCC unroll 16
      for (int64_t c = 0; c < kWidth; ++c) {
        m[c] = Load(sums + (column + c) * kTile + row);
        if (bias != nullptr && c < width) m[c] += bias[column + c];
      }
      Transpose(m);
      for (int64_t r = 0; r < kWidth && row + r < rows; ++r) {
        float* to = y + (row + r) * stride + column;
        if (width == kWidth) {
          Store(to, m[r]);
        } else {
          float part[kWidth];
          Store(part, m[r]);
          for (int64_t c = 0; c < width; ++c) to[c] = part[c];
        }
      }
    }
  }
}

template <typename Format>
void TransposePanel(const std::byte* x, std::byte* transposed) {
  constexpr int64_t kWords = kTile * ElementBytes(Format::kPrecision) / 4;  // of a feature
  const auto* from = reinterpret_cast<const float*>(x);
  auto* to = reinterpret_cast<float*>(transposed);
  for (int64_t word = 0; word < kWords; word += kWidth) {
    for (int64_t feature = 0; feature < kPanel; feature += kWidth) {
      Vector m[kWidth];
#pragma GCC unroll 16
      for (int64_t i = 0; i < kWidth; ++i) m[i] = Load(from + (feature + i) * kWords + word);
      Transpose(m);
#pragma GCC unroll 16
      for (int64_t i = 0; i < kWidth; ++i) Store(to + (word + i) * kPanel + feature, m[i]);
    }
  }
}

}  // namespace
}  // namespace millrace::sparse
