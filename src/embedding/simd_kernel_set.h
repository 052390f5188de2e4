// All kernels of one instruction set. Included by one source file per instruction set, like
// kernels/simd_vector.h.
#pragma once

#include "embedding/embedding_kernels.h"
#include "kernels/simd_vector.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace millrace::embedding {
namespace {

using kernels::BitsOf;
using kernels::FromBits;
using kernels::IntVector;
using kernels::kWidth;
using kernels::Load;
using kernels::Splat;
using kernels::Store;
using kernels::UintVector;
using kernels::Vector;

typedef uint16_t HalfVector __attribute__((vector_size(kWidth * sizeof(uint16_t))));
typedef uint16_t UnalignedHalfVector
    __attribute__((vector_size(kWidth * sizeof(uint16_t)), aligned(2), may_alias));

constexpr int64_t kLaneVectors = kColumnUnit / kWidth;
// How many rows ahead of their use they are fetched: each takes a few hundred cycles to come, and
// a core has room for some twenty cache lines on their way.
constexpr int64_t kRowsAhead = 16;

// float16 keeps 5 bits of exponent, float32 8: with its bits in place, a number is 2^112 too small.
constexpr float kHalfScale = 0x1.0p112F;
constexpr uint32_t kLargestHalf = 0x7BFF;

// ------------------------------------------------------------------------------------------------
// Rows of each type.

template <RowType kType>
inline Vector LoadRow(const std::byte* row, int64_t column) {
  if constexpr (kType == RowType::kFloat32) {
    return Load(reinterpret_cast<const float*>(row) + column);
  } else {
    const std::byte* from = row + column * 2;
#if defined(__AVX512F__)
    if constexpr (kType == RowType::kFloat16) {
      return __builtin_bit_cast(
          Vector, _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
    }
#endif
    const HalfVector half = *reinterpret_cast<const UnalignedHalfVector*>(from);
    const UintVector bits = __builtin_convertvector(half, UintVector);
    if constexpr (kType == RowType::kBfloat16) return FromBits(bits << 16);
    const Vector magnitude = FromBits((bits & 0x7FFF) << 13) * kHalfScale;
    // Infinite, or no number.
    const UintVector special = (bits & 0x7C00) == 0x7C00 ? UintVector{} + 0x7F800000 : UintVector{};
    return FromBits(BitsOf(magnitude) | special | (bits & 0x8000) << 16);
  }
}

// `noise`: random bits, of which as many count as are cut off; to the nearest without.
template <RowType kType, bool kNoise>
inline void StoreRow(std::byte* row, int64_t column, Vector numbers, UintVector noise) {
  if constexpr (kType == RowType::kFloat32) {
    Store(reinterpret_cast<float*>(row) + column, numbers);
  } else {
    constexpr uint32_t kCut = kType == RowType::kBfloat16 ? 16 : 13;
    const UintVector sign = BitsOf(numbers) >> 16 & 0x8000;
    UintVector bits = BitsOf(numbers) & 0x7FFFFFFF;
    if constexpr (kType == RowType::kFloat16) bits = BitsOf(FromBits(bits) * (1 / kHalfScale));
    const UintVector rounding =
        kNoise ? noise & ((1U << kCut) - 1) : (1U << (kCut - 1)) - 1 + (bits >> kCut & 1);
    UintVector half = (bits + rounding) >> kCut;
    // What is larger than all of them becomes the largest; not a number stays that.
    if constexpr (kType == RowType::kFloat16) {
      half = half > kLargestHalf ? UintVector{} + kLargestHalf : half;
      half = numbers != numbers ? UintVector{} + 0x7E00 : half;
    } else {
      half = numbers != numbers ? UintVector{} + 0x7FC0 : half;
    }
    *reinterpret_cast<UnalignedHalfVector*>(row + column * 2) =
        __builtin_convertvector(half | sign, HalfVector);
  }
}

// Of numbers that may end within a vector, of which there are `size`.
inline Vector LoadPart(const float* from, int64_t size) {
  if (size >= kWidth) return Load(from);
  Vector part{};
  for (int64_t i = 0; i < size; ++i) part[i] = from[i];
  return part;
}
inline void StorePart(float* to, Vector numbers, int64_t size) {
  if (size >= kWidth) return Store(to, numbers);
  for (int64_t i = 0; i < size; ++i) to[i] = numbers[i];
}

inline void Fetch(const std::byte* row, int64_t bytes) {
  for (int64_t line = 0; line < bytes; line += 64) __builtin_prefetch(row + line, 0);
}
inline void FetchToWrite(const void* data, int64_t bytes) {
  const auto* bytes_of = static_cast<const std::byte*>(data);
  for (int64_t line = 0; line < bytes; line += 64) __builtin_prefetch(bytes_of + line, 1);
}

// ------------------------------------------------------------------------------------------------
// Pooling.

// Columns from `begin` on, as many as kVectors hold.
template <RowType kType, int64_t kVectors>
inline void PoolColumns(const Rows& rows, const uint32_t* places, const int32_t* lengths,
                        int64_t bags, int64_t count, Pooling pooling, int64_t begin, float* out,
                        int64_t stride) {
  int64_t at = 0;
  for (int64_t bag = 0; bag < bags; ++bag, out += stride) {
    const int64_t end = at + lengths[bag];
    Vector sums[kVectors] = {};
    for (; at < end; ++at) {
      if (begin == 0 && at + kRowsAhead < count) {
        Fetch(rows.data + places[at + kRowsAhead] * rows.row_bytes, rows.row_bytes);
      }
      const std::byte* row = rows.data + places[at] * rows.row_bytes;
#pragma GCC unroll 16
      for (int64_t v = 0; v < kVectors; ++v) sums[v] += LoadRow<kType>(row, begin + v * kWidth);
    }
    if (pooling == Pooling::kMean && lengths[bag] > 1) {
      const auto length = static_cast<float>(lengths[bag]);
#pragma GCC unroll 16
      for (int64_t v = 0; v < kVectors; ++v) sums[v] /= length;
    }
#pragma GCC unroll 16
    for (int64_t v = 0; v < kVectors; ++v) Store(out + begin + v * kWidth, sums[v]);
  }
}

template <RowType kType>
inline void PoolRows(const Rows& rows, const uint32_t* places, const int32_t* lengths, int64_t bags,
                     Pooling pooling, float* out, int64_t stride) {
  int64_t count = 0;
  for (int64_t bag = 0; bag < bags; ++bag) count += lengths[bag];
  // Two of them fill the registers.
  constexpr int64_t kMost = kWidth == 16 ? 16 : 8;
  int64_t vectors = PadColumns(rows.columns) / kWidth;
  for (int64_t begin = 0; vectors > 0;) {
    const auto pool = [&]<int64_t kVectors>() {
      PoolColumns<kType, kVectors>(rows, places, lengths, bags, count, pooling, begin, out, stride);
      begin += kVectors * kWidth;
      vectors -= kVectors;
    };
    if (vectors >= kMost) {
      pool.template operator()<kMost>();
    } else if (vectors >= 8) {
      pool.template operator()<8>();
    } else if (vectors >= 4) {
      pool.template operator()<4>();
    } else if (vectors >= 2) {
      pool.template operator()<2>();
    } else {
      pool.template operator()<1>();
    }
  }
}

void Pool(const Rows& rows, const uint32_t* places, const int32_t* lengths, int64_t bags,
          Pooling pooling, float* out, int64_t stride) {
  switch (rows.type) {
    case RowType::kFloat32:
      return PoolRows<RowType::kFloat32>(rows, places, lengths, bags, pooling, out, stride);
    case RowType::kFloat16:
      return PoolRows<RowType::kFloat16>(rows, places, lengths, bags, pooling, out, stride);
    case RowType::kBfloat16:
      return PoolRows<RowType::kBfloat16>(rows, places, lengths, bags, pooling, out, stride);
  }
}

// ------------------------------------------------------------------------------------------------
// Updates.

// Each bit of the result depends on all of the input's: MurmurHash3's finalizer.
template <typename T>
inline T Mix(T x) {
  x ^= x >> 16;
  x *= 0x85EBCA6BU;
  x ^= x >> 13;
  x *= 0xC2B2AE35U;
  return x ^ x >> 16;
}

inline UintVector LaneNumbers() {
  UintVector numbers{};
  for (int64_t i = 0; i < kWidth; ++i) numbers[i] = static_cast<uint32_t>(i);
  return numbers;
}

inline Vector SquareRoot(Vector x) {
#if defined(__AVX512F__)
  return __builtin_bit_cast(Vector, _mm512_sqrt_ps(__builtin_bit_cast(__m512, x)));
#else
  Vector root;
  for (int64_t i = 0; i < kWidth; ++i) root[i] = __builtin_sqrtf(x[i]);
  return root;
#endif
}

// The sum of squares of a block of a padded gradient: lane by lane, then halves.
inline float BlockOfSquares(const float* gradient, int64_t padded) {
  Vector sums[kLaneVectors] = {};
  for (int64_t c = 0; c < padded && c < kSquareColumns; c += kColumnUnit) {
#pragma GCC unroll 4
    for (int64_t v = 0; v < kLaneVectors; ++v) {
      const Vector g = Load(gradient + c + v * kWidth);
      sums[v] += g * g;
    }
  }
  float lanes[kColumnUnit];
  for (int64_t v = 0; v < kLaneVectors; ++v) Store(lanes + v * kWidth, sums[v]);
  for (int64_t half = kColumnUnit / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}
inline float SumOfSquares(const float* gradient, int64_t padded) {
  float sum = 0;
  for (int64_t c = 0; c < padded; c += kSquareColumns) {
    sum += BlockOfSquares(gradient + c, padded - c);
  }
  return sum;
}

typedef double DoubleVector __attribute__((vector_size(kWidth * sizeof(double))));

// Of some lookups, in order, in the type of the sums.
template <typename Sum>
inline void SumGradientsIn(const Lookup* lookups, int64_t count, const float* gradients,
                           int64_t padded, float* sum) {
  for (int64_t c = 0; c < padded; c += kColumnUnit) {
    Sum sums[kLaneVectors] = {};
    for (int64_t i = 0; i < count; ++i) {
      const float* from = gradients + lookups[i].gradient * kColumnUnit + c;
#pragma GCC unroll 4
      for (int64_t v = 0; v < kLaneVectors; ++v) {
        sums[v] += __builtin_convertvector(Load(from + v * kWidth), Sum);
      }
    }
#pragma GCC unroll 4
    for (int64_t v = 0; v < kLaneVectors; ++v) {
      Store(sum + c + v * kWidth, __builtin_convertvector(sums[v], Vector));
    }
  }
}

// Sums of many are added in float64: in float32 those of 10,000 have errors of 1e-5.
inline void SumGradients(const Lookup* lookups, int64_t count, const float* gradients,
                         int64_t padded, float* sum) {
  constexpr int64_t kMany = 16;
  if (count < kMany) {
    SumGradientsIn<Vector>(lookups, count, gradients, padded, sum);
  } else {
    SumGradientsIn<DoubleVector>(lookups, count, gradients, padded, sum);
  }
}

// One step on a row, whose gradient is padded with zeros.
template <RowType kType, Optimizer kOptimizer, bool kNoise>
inline void StepRow(const Rows& rows, const UpdateStep& step, uint32_t place, const float* gradient,
                    const float* squares) {
  std::byte* const row = rows.data + place * rows.row_bytes;
  float* const state = rows.state + place * rows.state_size;
  const int64_t padded = PadColumns(rows.columns);
  const auto mean_square = [&] {
    return (squares != nullptr ? *squares : SumOfSquares(gradient, padded)) /
           static_cast<float>(rows.table_columns);
  };
  float row_size = 0;  // what the steps of all columns are divided by
  if constexpr (kOptimizer == Optimizer::kRowwiseAdaGrad) {
    state[0] += mean_square();
    row_size = __builtin_sqrtf(state[0]) + step.epsilon;
  }
  if constexpr (kOptimizer == Optimizer::kRowwiseAdam) {
    float& variance = state[padded];
    variance = step.beta2 * variance + (1 - step.beta2) * mean_square();
    row_size = __builtin_sqrtf(variance / step.correction2) + step.epsilon;
  }
  const UintVector row_key =
      UintVector{} + (kNoise ? Mix(step.rounding_key ^ Mix(rows.first_row + place)) : 0U);
  const UintVector lanes = LaneNumbers() + rows.first_column;
  for (int64_t c = 0; c < padded; c += kWidth) {
    const Vector g = Load(gradient + c);
    Vector change;
    if constexpr (kOptimizer == Optimizer::kSgd) {
      change = step.learning_rate * g;
    } else if constexpr (kOptimizer == Optimizer::kAdaGrad) {
      const Vector sum = Load(state + c) + g * g;
      Store(state + c, sum);
      change = step.learning_rate * g / (SquareRoot(sum) + step.epsilon);
    } else if constexpr (kOptimizer == Optimizer::kRowwiseAdaGrad) {
      change = step.learning_rate * g / row_size;
    } else {
      const Vector mean = step.beta1 * Load(state + c) + (1 - step.beta1) * g;
      Store(state + c, mean);
      Vector size = Splat(row_size);
      if constexpr (kOptimizer == Optimizer::kAdam) {
        const Vector variance = step.beta2 * Load(state + padded + c) + (1 - step.beta2) * (g * g);
        Store(state + padded + c, variance);
        size = SquareRoot(variance / step.correction2) + step.epsilon;
      }
      change = step.learning_rate * (mean / step.correction1) / size;
    }
    const UintVector noise =
        kNoise ? Mix(row_key + (lanes + static_cast<uint32_t>(c)) * 0x9E3779B9U) : UintVector{};
    StoreRow<kType, kNoise>(row, c, LoadRow<kType>(row, c) - change, noise);
  }
}

// The sum of the gradients of a row's lookups, padded with zeros.
inline void RowGradient(const Rows& rows, const Lookup* lookups, int64_t count,
                        const float* gradients, float* gradient) {
  const int64_t padded = PadColumns(rows.columns);
  SumGradients(lookups, count, gradients, padded, gradient);
  for (int64_t c = rows.columns; c < padded; ++c) gradient[c] = 0;
}

template <RowType kType, Optimizer kOptimizer, bool kNoise>
inline void UpdateRows(const Rows& rows, const UpdateStep& step, const Lookup* lookups,
                       int64_t count, const float* gradients, const float* squares) {
  alignas(64) float gradient[kMaxColumns];
  const int64_t state_bytes = rows.state_size * static_cast<int64_t>(sizeof(float));
  for (int64_t begin = 0, end = 0; begin < count; begin = end) {
    const uint32_t place = lookups[begin].place;
    for (end = begin; end < count && lookups[end].place == place; ++end) {
      if (end + kRowsAhead >= count) continue;
      const uint32_t ahead = lookups[end + kRowsAhead].place;
      FetchToWrite(rows.data + ahead * rows.row_bytes, rows.row_bytes);
      FetchToWrite(rows.state + ahead * rows.state_size, state_bytes);
    }
    RowGradient(rows, lookups + begin, end - begin, gradients, gradient);
    StepRow<kType, kOptimizer, kNoise>(rows, step, place, gradient, squares);
    if (squares != nullptr) ++squares;
  }
}

template <RowType kType, Optimizer kOptimizer>
inline void UpdateAs(const Rows& rows, const UpdateStep& step, const Lookup* lookups, int64_t count,
                     const float* gradients, const float* squares) {
  if (kType != RowType::kFloat32 && step.stochastic_rounding) {
    UpdateRows<kType, kOptimizer, true>(rows, step, lookups, count, gradients, squares);
  } else {
    UpdateRows<kType, kOptimizer, false>(rows, step, lookups, count, gradients, squares);
  }
}

template <RowType kType>
inline void UpdateType(const Rows& rows, const UpdateStep& step, const Lookup* lookups,
                       int64_t count, const float* gradients, const float* squares) {
  const auto update = [&]<Optimizer kOptimizer>() {
    if (step.optimizer == kOptimizer) {
      UpdateAs<kType, kOptimizer>(rows, step, lookups, count, gradients, squares);
    }
  };
  update.template operator()<Optimizer::kSgd>();
  update.template operator()<Optimizer::kAdaGrad>();
  update.template operator()<Optimizer::kRowwiseAdaGrad>();
  update.template operator()<Optimizer::kAdam>();
  update.template operator()<Optimizer::kRowwiseAdam>();
}

void Update(const Rows& rows, const UpdateStep& step, const Lookup* lookups, int64_t count,
            const float* gradients, const float* squares) {
  switch (rows.type) {
    case RowType::kFloat32:
      return UpdateType<RowType::kFloat32>(rows, step, lookups, count, gradients, squares);
    case RowType::kFloat16:
      return UpdateType<RowType::kFloat16>(rows, step, lookups, count, gradients, squares);
    case RowType::kBfloat16:
      return UpdateType<RowType::kBfloat16>(rows, step, lookups, count, gradients, squares);
  }
}

void Squares(const Rows& rows, const Lookup* lookups, int64_t count, const float* gradients,
             float* squares) {
  alignas(64) float gradient[kMaxColumns];
  const int64_t padded = PadColumns(rows.columns);
  for (int64_t begin = 0, end = 0; begin < count; begin = end) {
    while (end < count && lookups[end].place == lookups[begin].place) ++end;
    RowGradient(rows, lookups + begin, end - begin, gradients, gradient);
    for (int64_t c = 0; c < padded; c += kSquareColumns) {
      *squares++ = BlockOfSquares(gradient + c, padded - c);
    }
  }
}

// ------------------------------------------------------------------------------------------------
// Single rows.

template <RowType kType>
inline void UnpackRow(const std::byte* row, int64_t columns, float* numbers) {
  for (int64_t c = 0; c < columns; c += kWidth) {
    StorePart(numbers + c, LoadRow<kType>(row, c), columns - c);
  }
}
template <RowType kType>
inline void PackRow(const float* numbers, int64_t columns, std::byte* row) {
  for (int64_t c = 0; c < columns; c += kWidth) {
    StoreRow<kType, false>(row, c, LoadPart(numbers + c, columns - c), UintVector{});
  }
}

void Unpack(RowType type, const std::byte* row, int64_t columns, float* numbers) {
  switch (type) {
    case RowType::kFloat32:
      return UnpackRow<RowType::kFloat32>(row, columns, numbers);
    case RowType::kFloat16:
      return UnpackRow<RowType::kFloat16>(row, columns, numbers);
    case RowType::kBfloat16:
      return UnpackRow<RowType::kBfloat16>(row, columns, numbers);
  }
}
void Pack(RowType type, const float* numbers, int64_t columns, std::byte* row) {
  switch (type) {
    case RowType::kFloat32:
      return PackRow<RowType::kFloat32>(numbers, columns, row);
    case RowType::kFloat16:
      return PackRow<RowType::kFloat16>(numbers, columns, row);
    case RowType::kBfloat16:
      return PackRow<RowType::kBfloat16>(numbers, columns, row);
  }
}

constexpr KernelSet MakeKernelSet(const char* name) {
  return {.name = name,
          .pool = Pool,
          .update = Update,
          .squares = Squares,
          .unpack = Unpack,
          .pack = Pack};
}

}  // namespace
}  // namespace millrace::embedding
