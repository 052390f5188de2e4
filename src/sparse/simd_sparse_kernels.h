// The kernels in terms of the compiler's vector type. Included by one source file per instruction
// set, after kernels/simd_vector.h and under its rule: everything here is internal to that file.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/simd_vector.h"
#include "sparse/sparse_kernels.h"

namespace millrace::sparse {
namespace {

using kernels::IntVector;
using kernels::kWidth;
using kernels::Load;
using kernels::Splat;
using kernels::Store;
using kernels::UintVector;
using kernels::Vector;

constexpr int64_t kTileVectors = kTile / kWidth;
constexpr int64_t kPanelVectors = kPanel / kWidth;

typedef uint16_t HalfVector __attribute__((vector_size(kWidth * sizeof(uint16_t))));
typedef uint16_t UnalignedHalfVector
    __attribute__((vector_size(kWidth * sizeof(uint16_t)), aligned(alignof(uint16_t)), may_alias));
typedef uint32_t UnalignedUintVector
    __attribute__((vector_size(kWidth * sizeof(uint32_t)), aligned(alignof(uint32_t)), may_alias));

inline UintVector BitsOf(Vector x) { return __builtin_bit_cast(UintVector, x); }
inline Vector FromBits(UintVector x) { return __builtin_bit_cast(Vector, x); }
inline UintVector LoadWords(const void* from) {
  return *static_cast<const UnalignedUintVector*>(from);
}
inline void StoreWords(void* to, UintVector words) {
  *static_cast<UnalignedUintVector*>(to) = words;
}

// To the nearest bfloat16, ties to even, as the upper half of each word's lower half; NaN stays
// NaN.
inline UintVector RoundToBfloat16(Vector x) {
  const UintVector bits = BitsOf(x);
  const UintVector rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  return x != x ? (bits >> 16) | 0x40 : rounded;
}

inline PackedPanel PanelOf(const PackedPanels& panels, int64_t p) {
  return {panels.first.offsets + p * panels.offsets_stride,
          panels.first.values + p * panels.values_stride};
}

// Number formats: what a tile and a packed weight are made of.
struct Float32 {
  using Element = float;
  static constexpr Precision kPrecision = Precision::kFloat32;
  static Vector LoadElements(const Element* from) { return Load(from); }
  static void StoreElements(Element* to, Vector x) { Store(to, x); }
  // The two weights of pair p and output o.
  static void Weights(const std::byte* values, int64_t p, int64_t o, float& first, float& second) {
    const float* pair = reinterpret_cast<const float*>(values) + p * 2 * kPanel + o;
    first = pair[0];
    second = pair[kPanel];
  }
  static void StoreWeights(std::byte* values, int64_t p, int64_t o, Vector first, Vector second) {
    float* pair = reinterpret_cast<float*>(values) + p * 2 * kPanel + o;
    Store(pair, first);
    Store(pair + kPanel, second);
  }
  // Of one output.
  static void StoreWeight(std::byte* values, int64_t p, int64_t o, float first, float second) {
    float* pair = reinterpret_cast<float*>(values) + p * 2 * kPanel + o;
    pair[0] = first;
    pair[kPanel] = second;
  }
};
struct Bfloat16 {
  using Element = uint16_t;
  static constexpr Precision kPrecision = Precision::kBfloat16;
  static Vector LoadElements(const Element* from) {
    const HalfVector halves = *reinterpret_cast<const UnalignedHalfVector*>(from);
    return FromBits(__builtin_convertvector(halves, UintVector) << 16);
  }
  static void StoreElements(Element* to, Vector x) {
    *reinterpret_cast<UnalignedHalfVector*>(to) =
        __builtin_convertvector(RoundToBfloat16(x), HalfVector);
  }
  static void Weights(const std::byte* values, int64_t p, int64_t o, float& first, float& second) {
    const uint32_t word = reinterpret_cast<const uint32_t*>(values)[p * kPanel + o];
    first = __builtin_bit_cast(float, word << 16);
    second = __builtin_bit_cast(float, word & 0xFFFF0000);
  }
  static void StoreWeights(std::byte* values, int64_t p, int64_t o, Vector first, Vector second) {
    StoreWords(reinterpret_cast<uint32_t*>(values) + p * kPanel + o,
               RoundToBfloat16(first) | RoundToBfloat16(second) << 16);
  }
  static void StoreWeight(std::byte* values, int64_t p, int64_t o, float first, float second) {
    const Vector both = {first, second};
    const UintVector rounded = RoundToBfloat16(both);
    reinterpret_cast<uint32_t*>(values)[p * kPanel + o] = rounded[0] | rounded[1] << 16;
  }
};

// Offset from one input to the next.
template <typename Format>
constexpr uint32_t kUnit = kTile* ElementBytes(Format::kPrecision) / kOffsetBytes;

// ---- products ----

// Sums of kOutputs * kGroups outputs over kColumns vectors of rows, held in registers: kGroups
// groups of outputs, each with one pattern. The second input of a pair is added first, as
// `vdpbf16ps` does.
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
          sum = xb * wb[v] + sum;
          sum = xa * wa[v] + sum;
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

// ---- between rows and tiles ----

template <int64_t kStep, int64_t... kLane>
inline void Exchange(Vector& a, Vector& b) {
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
    if ((i & kStep) != 0) continue;
    if constexpr (kWidth == 16) {
      Exchange<kStep, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>(m[i], m[i + kStep]);
    } else if constexpr (kWidth == 8) {
      Exchange<kStep, 0, 1, 2, 3, 4, 5, 6, 7>(m[i], m[i + kStep]);
    } else {
      Exchange<kStep, 0, 1, 2, 3>(m[i], m[i + kStep]);
    }
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

// ---- gradient of the weights ----

// The sums of kRows x (kPanels panels of features) over all tiles; `words` of a tile.
template <typename Format, int64_t kRows, int64_t kVectors>
inline void GradientBlock(const std::byte* g, int64_t g_stride, const std::byte* transposed,
                          int64_t x_stride, int64_t tiles, int64_t columns, float* out,
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
            acc[r][n] = FromBits(x[n] << 16) * __builtin_bit_cast(float, scalar << 16) + acc[r][n];
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
        Store(to, Load(to) + acc[r][n]);
      } else {
        float part[kWidth];
        Store(part, acc[r][n]);
        for (int64_t c = 0; c < width; ++c) to[c] += part[c];
      }
    }
  }
}

// Calls block<kRows, kVectors> for all rows and columns, features outermost: their panels stay in
// the first-level cache.
template <typename Block, int64_t kRows, int64_t kVectors>
inline void GradientBlocks(const std::byte* g, int64_t g_stride, const std::byte* transposed,
                           int64_t x_stride, int64_t tiles, int64_t rows, int64_t columns,
                           float* out, int64_t out_stride, int64_t row_bytes) {
  for (int64_t row = 0; row < rows;) {
    if (rows - row >= kRows) {
      Block::template Run<kRows, kVectors>(g + row * row_bytes, g_stride, transposed, x_stride,
                                           tiles, columns, out + row * out_stride, out_stride);
      row += kRows;
    } else {
      Block::template Run<1, kVectors>(g + row * row_bytes, g_stride, transposed, x_stride, tiles,
                                       columns, out + row * out_stride, out_stride);
      ++row;
    }
  }
}

template <typename Format>
struct GenericGradient {
  template <int64_t kRows, int64_t kVectors>
  static void Run(const std::byte* g, int64_t g_stride, const std::byte* transposed,
                  int64_t x_stride, int64_t tiles, int64_t columns, float* out,
                  int64_t out_stride) {
    GradientBlock<Format, kRows, kVectors>(g, g_stride, transposed, x_stride, tiles, columns, out,
                                           out_stride);
  }
};

template <typename Block, Precision kPrecision>
void WeightGradient(const std::byte* g, int64_t g_stride, const std::byte* transposed,
                    int64_t x_stride, int64_t tiles, int64_t rows, int64_t columns, float* out,
                    int64_t out_stride) {
  constexpr int64_t kRows = kWidth == 16 ? 12 : kWidth == 8 ? 6 : 3;
  constexpr int64_t kRowBytes = kTile * ElementBytes(kPrecision);
  constexpr int64_t kPanelBytes = kRowBytes * kPanel;
  constexpr int64_t kPanelsAtOnce = kWidth == 16 ? 2 : 1;
  for (int64_t column = 0; column < columns;) {
    const std::byte* x = transposed + column / kPanel * kPanelBytes;
    if (columns - column > kPanel && kPanelsAtOnce == 2) {
      GradientBlocks<Block, kRows, kPanelsAtOnce * kPanelVectors>(
          g, g_stride, x, x_stride, tiles, rows, columns - column, out + column, out_stride,
          kRowBytes);
      column += kPanelsAtOnce * kPanel;
    } else {
      GradientBlocks<Block, kRows, kPanelVectors>(g, g_stride, x, x_stride, tiles, rows,
                                                  columns - column, out + column, out_stride,
                                                  kRowBytes);
      column += kPanel;
    }
  }
}

// ---- choosing and packing ----
//
// always_inline: left to itself g++ 12 calls some of these, which takes packing twice the time.

// Weights of a panel within a block, [inputs, kPanel]; those that there are not, are 0.
struct PanelWeights {
  Vector Get(int64_t input, int64_t output) const { return Load(data + input * stride + output); }
  const float* data;
  int64_t stride;
};

// Where the weights are, or a copy in `buffer` that has them in order.
inline PanelWeights WeightsOf(const float* w, int64_t row, int64_t depth, int64_t rows,
                              int64_t inputs, float* buffer) {
  if (row == 1 && rows >= kPanel) return {w, depth};
  if (row == 1) {
    for (int64_t input = 0; input < inputs; ++input) {
      for (int64_t output = 0; output < kPanel; ++output) {
        buffer[input * kPanel + output] = output < rows ? w[input * depth + output] : 0.0F;
      }
    }
    return {buffer, kPanel};
  }
  for (int64_t output = 0; output < kPanel; output += kWidth) {
    for (int64_t input = 0; input < inputs; input += kWidth) {
      Vector m[kWidth];
      LoadRows(w + output * row + input, row, rows - output, inputs - input, m);
      Transpose(m);
#pragma GCC unroll 16
      for (int64_t i = 0; i < kWidth; ++i) {
        if (i < inputs - input) Store(buffer + (input + i) * kPanel + output, m[i]);
      }
    }
  }
  return {buffer, kPanel};
}

inline Vector Magnitude(Vector x) { return FromBits(BitsOf(x) & 0x7FFFFFFF); }

template <int64_t kDistance, int64_t... kLane>
inline Vector AddLanes(Vector x) {
  return x + __builtin_shufflevector(x, x, (kLane ^ kDistance)...);
}
// Every lane plus the one `kDistance` from it, in pairs.
template <int64_t kDistance>
inline Vector AddLane(Vector x) {
  if constexpr (kWidth == 16) {
    return AddLanes<kDistance, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>(x);
  } else if constexpr (kWidth == 8) {
    return AddLanes<kDistance % 8, 0, 1, 2, 3, 4, 5, 6, 7>(x);
  } else {
    return AddLanes<kDistance % 4, 0, 1, 2, 3>(x);
  }
}

// By what inputs are chosen if outputs share patterns: sums of magnitudes over those that do.
inline void ShareScores(const PanelWeights& weights, int64_t begin, int64_t inputs,
                        int64_t shared_by, float* scores) {
  for (int64_t input = begin; input < begin + inputs; ++input) {
    Vector x[kPanelVectors];
#pragma GCC unroll 4
    for (int64_t v = 0; v < kPanelVectors; ++v) {
      x[v] = AddLane<1>(Magnitude(weights.Get(input, v * kWidth)));
      if (shared_by > 2) x[v] = AddLane<2>(x[v]);
      if (kWidth > 4 && shared_by > 4) x[v] = AddLane<4>(x[v]);
      if (kWidth > 8 && shared_by > 8) x[v] = AddLane<8>(x[v]);
    }
    // What is further apart than a vector is long.
    for (int64_t distance = kWidth; distance < shared_by; distance *= 2) {
      Vector sums[kPanelVectors];
#pragma GCC unroll 4
      for (int64_t v = 0; v < kPanelVectors; ++v) sums[v] = x[v] + x[v ^ (distance / kWidth)];
#pragma GCC unroll 4
      for (int64_t v = 0; v < kPanelVectors; ++v) x[v] = sums[v];
    }
#pragma GCC unroll 4
    for (int64_t v = 0; v < kPanelVectors; ++v, scores += kWidth) Store(scores, x[v]);
  }
}

// An input that may be chosen, for kWidth outputs. Scores are magnitudes, compared as the integers
// that their bits are.
struct Candidate {
  IntVector score;
  UintVector input;
  Vector weight;
};

template <typename Lanes>
[[gnu::always_inline]] inline Candidate Select(Lanes which, const Candidate& a,
                                               const Candidate& b) {
  return {which ? a.score : b.score, which ? a.input : b.input, which ? a.weight : b.weight};
}

// The kKept best of some candidates, best first; of equal ones the earlier is better.
template <int64_t kKept>
struct Best {
  Candidate of[kKept];
};

// Of candidates that are all before those of `b`.
[[gnu::always_inline]] inline Best<1> Merge(const Best<1>& a, const Best<1>& b) {
  return {{Select(b.of[0].score > a.of[0].score, b.of[0], a.of[0])}};
}
[[gnu::always_inline]] inline Best<2> Merge(const Best<2>& a, const Best<2>& b) {
  const auto second_wins = b.of[0].score > a.of[0].score;
  // The loser of the first round against the one behind the winner.
  const Candidate winner = Select(second_wins, b.of[0], a.of[0]);
  const Candidate loser = Select(second_wins, a.of[0], b.of[0]);
  const Candidate behind = Select(second_wins, b.of[1], a.of[1]);
  // Of equal ones a's is better: the loser if `second_wins`.
  const auto loser_is_next =
      (loser.score > behind.score) | (second_wins & (loser.score == behind.score));
  return {{winner, Select(loser_is_next, loser, behind)}};
}

// Those of the inputs from `begin` on, of which there are `size`; the rest are of the first input
// and have weight 0. The sign of a weight is kept with its input.
template <bool kShared>
[[gnu::always_inline]] inline Candidate CandidateOf(const PanelWeights& weights,
                                                    const float* scores, int64_t begin, int64_t i,
                                                    int64_t size, int64_t output) {
  if (i >= size) return {IntVector{}, UintVector{} + static_cast<uint32_t>(begin), Vector{}};
  const Vector weight = weights.Get(begin + i, output);
  const Vector score = kShared ? Load(scores + i * kPanel + output) : Magnitude(weight);
  const UintVector sign = kShared ? UintVector{} : BitsOf(weight) & 0x80000000;
  return {__builtin_bit_cast(IntVector, score), sign | static_cast<uint32_t>(begin + i), weight};
}

template <int64_t kKept, int64_t kGroup, typename Get>
[[gnu::always_inline]] inline Best<kKept> BestOf(Get get, int64_t first = 0) {
  if constexpr (kKept == 4) {
    Best<4> best = {{get(0), get(1), get(2), get(3)}};
    // Insertion sort, then insertion of the others.
#pragma GCC unroll 16
    for (int64_t i = 1; i < kGroup; ++i) {
      Candidate moving = i < 4 ? best.of[i] : get(i);
      decltype(moving.score > moving.score) inserted{};  // from there on all of them move
#pragma GCC unroll 4
      for (int64_t n = 0; n < (i < 4 ? i : 4); ++n) {
        inserted |= moving.score > best.of[n].score;
        const Candidate old = best.of[n];
        best.of[n] = Select(inserted, moving, old);
        moving = Select(inserted, old, moving);
      }
      if (i < 4) best.of[i] = moving;
    }
    return best;
  } else if constexpr (kGroup > kKept) {
    return Merge(BestOf<kKept, kGroup / 2>(get, first),
                 BestOf<kKept, kGroup / 2>(get, first + kGroup / 2));
  } else if constexpr (kKept == 2) {
    const Candidate a = get(first), b = get(first + 1);
    const auto second_wins = b.score > a.score;
    return {{Select(second_wins, b, a), Select(second_wins, a, b)}};
  } else {
    return {{get(first)}};
  }
}

// A chosen input and its weight, for kWidth outputs.
struct Slot {
  UintVector input;
  Vector weight;
};

// In the order of the inputs; of the same input, that with a weight first.
template <int64_t kKept, bool kShared>
[[gnu::always_inline]] inline void InOrder(const Best<kKept>& best, Slot (&slots)[kKept]) {
#pragma GCC unroll 4
  for (int64_t n = 0; n < kKept; ++n) {
    const Candidate& c = best.of[n];
    slots[n] = {c.input & 0x7FFFFFFF, kShared ? c.weight
                                              : FromBits(__builtin_bit_cast(UintVector, c.score) |
                                                         (c.input & 0x80000000))};
  }
#pragma GCC unroll 4
  for (int64_t pass = 1; pass < kKept; ++pass) {
#pragma GCC unroll 4
    for (int64_t n = 0; n < kKept - pass; ++n) {
      const Slot a = slots[n], b = slots[n + 1];
      const auto swap = a.input > b.input;
      slots[n] = {swap ? b.input : a.input, swap ? b.weight : a.weight};
      slots[n + 1] = {swap ? a.input : b.input, swap ? a.weight : b.weight};
    }
  }
}

template <typename Format>
[[gnu::always_inline]] inline void StorePair(const PackedPanel& panel, int64_t shared_by,
                                             int64_t pair, int64_t output, const Slot& first,
                                             const Slot& second) {
  Format::StoreWeights(panel.values, pair, output, first.weight, second.weight);
  uint32_t* offsets = panel.offsets + (pair * kPanel + output) / shared_by;
  const UintVector words = first.input * kUnit<Format> | second.input * kUnit<Format> << 16;
  if (shared_by == 1) {
    StoreWords(offsets, words);
  } else {
    uint32_t lanes[kWidth];
    StoreWords(lanes, words);
    // Of a group wider than a vector, every vector has the same.
    for (int64_t o = 0; o < kWidth; o += shared_by) offsets[o / shared_by] = lanes[o];
  }
}

// The row that each lane's index names.
template <int64_t kCount>
[[gnu::always_inline]] inline Vector Pick(const Vector* rows, UintVector index) {
  if constexpr (kCount == 1) {
    return rows[0];
  } else {
    constexpr int64_t kHalf = kCount / 2;
    const Vector low = Pick<kHalf>(rows, index), high = Pick<kHalf>(rows + kHalf, index);
    return (index & static_cast<uint32_t>(kHalf)) != 0 ? high : low;
  }
}

// Offsets of a pair for kWidth outputs.
[[gnu::always_inline]] inline UintVector LoadOffsets(const PackedPanel& panel, int64_t shared_by,
                                                     int64_t pair, int64_t output) {
  const uint32_t* offsets = panel.offsets + (pair * kPanel + output) / shared_by;
  if (shared_by == 1) return LoadWords(offsets);
  uint32_t lanes[kWidth];
  for (int64_t o = 0; o < kWidth; ++o) lanes[o] = offsets[(output % shared_by + o) / shared_by];
  return LoadWords(lanes);
}

// What is packed at a time: a group or, if one weight of each is kept, two.
template <typename Format, int64_t kKept, int64_t kGroup, bool kShared>
struct GroupPacker {
  static constexpr int64_t kInputs = kKept == 1 ? 2 * kGroup : kGroup;
  static constexpr int64_t kPairs = kKept == 4 ? 2 : 1;

  [[gnu::always_inline]] static void Pack(const PanelWeights& weights, int64_t shared_by,
                                          int64_t begin, int64_t inputs, const PackedPanel& panel) {
    const int64_t size = inputs - begin < kInputs ? inputs - begin : kInputs;
    float scores[kShared ? kInputs * kPanel : 1];
    if constexpr (kShared) ShareScores(weights, begin, size, shared_by, scores);
    const int64_t pair = begin / kInputs * kPairs;
    for (int64_t output = 0; output < kPanel; output += kWidth) {
      Slot slots[2 * kPairs];
      if constexpr (kKept == 1) {
        for (int64_t half = 0; half < 2; ++half) {
          Slot one[1];
          const auto get = [&](int64_t i) {
            return CandidateOf<kShared>(weights, scores, begin, half * kGroup + i, size, output);
          };
          InOrder<1, kShared>(BestOf<1, kGroup>(get), one);
          slots[half] = one[0];
        }
        // There may be no second group.
        if (size <= kGroup) slots[1].input = slots[0].input;
      } else {
        const auto get = [&](int64_t i) {
          return CandidateOf<kShared>(weights, scores, begin, i, size, output);
        };
        InOrder<kKept, kShared>(BestOf<kKept, kGroup>(get), slots);
      }
#pragma GCC unroll 2
      for (int64_t n = 0; n < kPairs; ++n) {
        StorePair<Format>(panel, shared_by, pair + n, output, slots[2 * n], slots[2 * n + 1]);
      }
    }
  }

  [[gnu::always_inline]] static void Repack(const PanelWeights& weights, int64_t shared_by,
                                            int64_t begin, int64_t inputs,
                                            const PackedPanel& panel) {
    const int64_t pair = begin / kInputs * kPairs;
    if (inputs - begin < kInputs) {
      RepackPart(weights, shared_by, pair, panel);
      return;
    }
    for (int64_t output = 0; output < kPanel; output += kWidth) {
      Vector rows[kInputs];
#pragma GCC unroll 32
      for (int64_t i = 0; i < kInputs; ++i) rows[i] = weights.Get(begin + i, output);
#pragma GCC unroll 2
      for (int64_t n = 0; n < kPairs; ++n) {
        const UintVector offsets = LoadOffsets(panel, shared_by, pair + n, output);
        const UintVector first = (offsets & 0xFFFF) / kUnit<Format>;
        const UintVector second = (offsets >> 16) / kUnit<Format>;
        // Groups begin at multiples of their size.
        const Vector* second_group = kKept == 1 ? rows + kGroup : rows;
        Format::StoreWeights(panel.values, pair + n, output, Pick<kGroup>(rows, first),
                             Pick<kGroup>(second_group, second));
      }
    }
  }

 private:
  // Of the last groups of a block, which may be incomplete.
  static void RepackPart(const PanelWeights& weights, int64_t shared_by, int64_t pair,
                         const PackedPanel& panel) {
    for (int64_t output = 0; output < kPanel; ++output) {
      // A slot that is left over repeats the input before it, and has no weight.
      uint32_t previous = UINT32_MAX;
      for (int64_t n = 0; n < kPairs; ++n) {
        const uint32_t offsets = panel.offsets[((pair + n) * kPanel + output) / shared_by];
        const uint32_t a = (offsets & 0xFFFF) / kUnit<Format>, b = (offsets >> 16) / kUnit<Format>;
        const float first = a == previous ? 0.0F : weights.data[a * weights.stride + output];
        const float second = b == a ? 0.0F : weights.data[b * weights.stride + output];
        previous = b;
        Format::StoreWeight(panel.values, pair + n, output, first, second);
      }
    }
  }
};

template <typename Format>
struct DensePacker {
  static constexpr int64_t kInputs = 2;

  [[gnu::always_inline]] static void Pack(const PanelWeights& weights, int64_t shared_by,
                                          int64_t begin, int64_t inputs, const PackedPanel& panel) {
    const bool both = begin + 1 < inputs;
    for (int64_t output = 0; output < kPanel; output += kWidth) {
      const UintVector input = UintVector{} + static_cast<uint32_t>(begin);
      StorePair<Format>(
          panel, shared_by, begin / 2, output, {input, weights.Get(begin, output)},
          {input + (both ? 1U : 0U), both ? weights.Get(begin + 1, output) : Vector{}});
    }
  }
  [[gnu::always_inline]] static void Repack(const PanelWeights& weights, int64_t shared_by,
                                            int64_t begin, int64_t inputs,
                                            const PackedPanel& panel) {
    Pack(weights, shared_by, begin, inputs, panel);
  }
};

// Panel after panel or, if outputs lie side by side, all panels group by group: a row of the
// weights is then read as a whole, which rows that lie a page apart need.
template <typename Format, typename Packer, bool kChoose>
inline void PackPanels(int64_t shared_by, const float* w, int64_t row, int64_t depth,
                       int64_t outputs, int64_t inputs, const PackedPanels& panels) {
  alignas(64) float buffer[DepthBlock(Format::kPrecision) * kPanel];
  const auto pack = [&](const PanelWeights& weights, int64_t begin, int64_t p) {
    if constexpr (kChoose) {
      Packer::Pack(weights, shared_by, begin, inputs, PanelOf(panels, p));
    } else {
      Packer::Repack(weights, shared_by, begin, inputs, PanelOf(panels, p));
    }
  };
  const int64_t count = (outputs + kPanel - 1) / kPanel;
  const int64_t whole = row == 1 ? outputs / kPanel : 0;
  for (int64_t begin = 0; whole > 0 && begin < inputs; begin += Packer::kInputs) {
    for (int64_t p = 0; p < whole; ++p) pack({w + p * kPanel, depth}, begin, p);
  }
  for (int64_t p = whole; p < count; ++p) {
    const PanelWeights weights =
        WeightsOf(w + p * kPanel * row, row, depth, outputs - p * kPanel, inputs, buffer);
    for (int64_t begin = 0; begin < inputs; begin += Packer::kInputs) pack(weights, begin, p);
  }
}

template <typename Format, int64_t kKept, int64_t kGroup, bool kChoose>
inline void PackPattern(int64_t shared_by, const float* w, int64_t row, int64_t depth,
                        int64_t outputs, int64_t inputs, const PackedPanels& panels) {
  if (shared_by == 1) {
    PackPanels<Format, GroupPacker<Format, kKept, kGroup, false>, kChoose>(1, w, row, depth,
                                                                           outputs, inputs, panels);
  } else {
    PackPanels<Format, GroupPacker<Format, kKept, kGroup, true>, kChoose>(shared_by, w, row, depth,
                                                                          outputs, inputs, panels);
  }
}

template <typename Format, bool kChoose>
void Pack(const Pattern& pattern, const float* w, int64_t row, int64_t depth, int64_t outputs,
          int64_t inputs, const PackedPanels& panels) {
  const auto pack = [&]<int64_t kKept, int64_t kGroup>() {
    if (pattern.kept == kKept && pattern.group == kGroup) {
      PackPattern<Format, kKept, kGroup, kChoose>(pattern.shared_by, w, row, depth, outputs, inputs,
                                                  panels);
    }
  };
  pack.template operator()<1, 4>();
  pack.template operator()<2, 4>();
  pack.template operator()<1, 8>();
  pack.template operator()<2, 8>();
  pack.template operator()<4, 8>();
  pack.template operator()<1, 16>();
  pack.template operator()<2, 16>();
  pack.template operator()<4, 16>();
  if (pattern.kept == pattern.group) {
    PackPanels<Format, DensePacker<Format>, kChoose>(pattern.shared_by, w, row, depth, outputs,
                                                     inputs, panels);
  }
}

template <typename Format>
constexpr KernelSet MakeKernelSet(const char* name) {
  return {.name = name,
          .precision = Format::kPrecision,
          .product = Product<Format>,
          .activate = Activate<Format>,
          .activate_backward = ActivateBackward<Format>,
          .tile_of_rows = TileOfRows<Format>,
          .rows_of_sums = RowsOfSums,
          .transpose = TransposePanel<Format>,
          .weight_gradient = WeightGradient<GenericGradient<Format>, Format::kPrecision>,
          .pack = Pack<Format, true>,
          .repack = Pack<Format, false>};
}

}  // namespace
}  // namespace millrace::sparse
