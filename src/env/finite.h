// A cheap test for NaN and infinity in what an environment wrote.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <span>

#include "millrace/data/tensor_view.h"

namespace millrace {

// On the bits, in integers, so that the compiler vectorises the loop.
inline bool AllFinite(std::span<const float> values) {
  constexpr uint32_t kExponent = 0x7F800000;
  uint32_t found = 0;
  for (float value : values) found |= (std::bit_cast<uint32_t>(value) & kExponent) == kExponent;
  return found == 0;
}

inline bool AllFinite(std::span<const double> values) {
  constexpr uint64_t kExponent = 0x7FF0000000000000;
  uint64_t found = 0;
  for (double value : values) found |= (std::bit_cast<uint64_t>(value) & kExponent) == kExponent;
  return found == 0;
}

inline bool AllFinite(const TensorView& view) {
  if (view.dtype == DType::kFloat32) return AllFinite(std::span<const float>(view.As<float>()));
  if (view.dtype == DType::kFloat64) return AllFinite(std::span<const double>(view.As<double>()));
  return true;
}

}  // namespace millrace
