// Number formats in terms of the compiler's vector type. This and the other simd_ headers are
// included under the rule of kernels/simd_vector.h: everything here is internal to a source file.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/simd_vector.h"
#include "sparse/sparse_kernels.h"

namespace millrace::sparse {
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

constexpr int64_t kTileVectors = kTile / kWidth;
constexpr int64_t kPanelVectors = kPanel / kWidth;

typedef uint16_t HalfVector __attribute__((vector_size(kWidth * sizeof(uint16_t))));
typedef uint16_t UnalignedHalfVector
    __attribute__((vector_size(kWidth * sizeof(uint16_t)), aligned(alignof(uint16_t)), may_alias));
typedef uint32_t UnalignedUintVector
    __attribute__((vector_size(kWidth * sizeof(uint32_t)), aligned(alignof(uint32_t)), may_alias));

inline UintVector LoadWords(const void* from) {
  return *static_cast<const UnalignedUintVector*>(from);
}
inline void StoreWords(void* to, UintVector words) {
  *static_cast<UnalignedUintVector*>(to) = words;
}

// The numbers of a vector's lanes, which shuffles want as constants.
template <int64_t... kLane>
struct Lanes {};
template <int64_t kCount>
struct LanesOf;
template <>
struct LanesOf<4> {
  using Type = Lanes<0, 1, 2, 3>;
};
template <>
struct LanesOf<8> {
  using Type = Lanes<0, 1, 2, 3, 4, 5, 6, 7>;
};
template <>
struct LanesOf<16> {
  using Type = Lanes<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>;
};
using EveryLane = LanesOf<kWidth>::Type;

// To the nearest bfloat16, ties to even, as the upper half of each word's lower half; NaN stays
// NaN.
inline UintVector RoundToBfloat16(Vector x) {
  const UintVector bits = BitsOf(x);
  const UintVector rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  return x != x ? (bits >> 16) | 0x40 : rounded;
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
  // Of a vector of outputs.
  static void LoadWeights(const std::byte* values, int64_t p, int64_t o, Vector& first,
                          Vector& second) {
    const float* pair = reinterpret_cast<const float*>(values) + p * 2 * kPanel + o;
    first = Load(pair);
    second = Load(pair + kPanel);
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
    first = __builtin_bit_cast(float, word & 0xFFFF0000);
    second = __builtin_bit_cast(float, word << 16);
  }
  static void LoadWeights(const std::byte* values, int64_t p, int64_t o, Vector& first,
                          Vector& second) {
    const UintVector words = LoadWords(reinterpret_cast<const uint32_t*>(values) + p * kPanel + o);
    first = FromBits(words & 0xFFFF0000);
    second = FromBits(words << 16);
  }
  static void StoreWeights(std::byte* values, int64_t p, int64_t o, Vector first, Vector second) {
    StoreWords(reinterpret_cast<uint32_t*>(values) + p * kPanel + o,
               RoundToBfloat16(first) << 16 | RoundToBfloat16(second));
  }
  static void StoreWeight(std::byte* values, int64_t p, int64_t o, float first, float second) {
    const Vector both = {first, second};
    const UintVector rounded = RoundToBfloat16(both);
    reinterpret_cast<uint32_t*>(values)[p * kPanel + o] = rounded[0] << 16 | rounded[1];
  }
};

// Offset from one input to the next.
template <typename Format>
constexpr uint32_t kUnit = kTile* ElementBytes(Format::kPrecision) / kOffsetBytes;

}  // namespace
}  // namespace millrace::sparse
