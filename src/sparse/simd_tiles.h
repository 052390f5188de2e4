// Between rows of a batch and tiles. Included like simd_formats.h.
#pragma once

#include "sparse/simd_formats.h"

namespace millrace::sparse {
namespace {

// Of two vectors, one behind the other, the lanes kFrom(lane) + kOffset.
template <auto kFrom, int64_t kOffset, int64_t... kLane>
inline Vector Join(Vector a, Vector b, Lanes<kLane...>) {
  return __builtin_shufflevector(a, b, (kFrom(kLane) + kOffset)...);
}
template <auto kFrom, int64_t kOffset>
inline Vector Join(Vector a, Vector b) {
  return Join<kFrom, kOffset>(a, b, EveryLane());
}

// In steps that are one instruction each: within fours of lanes, then whole fours.
inline void Transpose(Vector (&m)[kWidth]) {
  constexpr auto single = [](int64_t i) { return i / 4 * 4 + i % 4 / 2 + i % 2 * kWidth; };
  constexpr auto pair = [](int64_t i) { return i / 4 * 4 + i % 2 + i % 4 / 2 * kWidth; };
#pragma GCC unroll 4
  for (int64_t r = 0; r < kWidth; r += 4) {
    const Vector a = Join<single, 0>(m[r], m[r + 1]), b = Join<single, 2>(m[r], m[r + 1]);
    const Vector c = Join<single, 0>(m[r + 2], m[r + 3]), d = Join<single, 2>(m[r + 2], m[r + 3]);
    m[r] = Join<pair, 0>(a, c), m[r + 1] = Join<pair, 2>(a, c);
    m[r + 2] = Join<pair, 0>(b, d), m[r + 3] = Join<pair, 2>(b, d);
  }
  constexpr auto four = [](int64_t i) { return i / 4 * 8 + i % 4; };
#pragma GCC unroll 4
  for (int64_t r = 0; r < 4; ++r) {
    if constexpr (kWidth == 8) {
      const Vector a = m[r], b = m[r + 4];
      m[r] = Join<four, 0>(a, b), m[r + 4] = Join<four, 4>(a, b);
    } else if constexpr (kWidth == 16) {
      const Vector a = Join<four, 0>(m[r], m[r + 4]), b = Join<four, 4>(m[r], m[r + 4]);
      const Vector c = Join<four, 0>(m[r + 8], m[r + 12]), d = Join<four, 4>(m[r + 8], m[r + 12]);
      m[r] = Join<four, 0>(a, c), m[r + 4] = Join<four, 0>(b, d);
      m[r + 8] = Join<four, 4>(a, c), m[r + 12] = Join<four, 4>(b, d);
    }
  }
}

// Calls store(column, its kWidth numbers) for kWidth columns; what is not in the rows and columns
// that there are, is 0.
template <typename StoreColumn>
[[gnu::always_inline]] inline void TransposeRows(const float* x, int64_t stride, int64_t rows,
                                                 int64_t columns, StoreColumn store) {
  const auto transpose = [&](auto load) __attribute__((always_inline)) {
    Vector m[kWidth];
#pragma GCC unroll 16
    for (int64_t r = 0; r < kWidth; ++r) m[r] = load(x + r * stride, r);
    Transpose(m);
#pragma GCC unroll 16
    for (int64_t c = 0; c < kWidth; ++c) store(c, m[c]);
  };
  if (rows >= kWidth && columns >= kWidth) {
    transpose([](const float* row, int64_t) { return Load(row); });
  } else {
    transpose([&](const float* row, int64_t r) {
      float part[kWidth] = {};
      for (int64_t c = 0; r < rows && c < kWidth && c < columns; ++c) part[c] = row[c];
      return Load(part);
    });
  }
}

template <typename Format>
void TileOfRows(const float* x, int64_t stride, int64_t rows, int64_t columns, std::byte* tile) {
  auto* out = reinterpret_cast<typename Format::Element*>(tile);
  for (int64_t row = 0; row < kTile; row += kWidth) {
    for (int64_t column = 0; column < columns; column += kWidth) {
      auto* const to = out + column * kTile + row;
      TransposeRows(x + row * stride + column, stride, rows - row, columns - column,
                    [&](int64_t c, Vector values) {
                      if (c < columns - column) Format::StoreElements(to + c * kTile, values);
                    });
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
