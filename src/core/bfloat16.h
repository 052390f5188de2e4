// The upper half of a float.
#pragma once

#include <bit>
#include <cstdint>

namespace millrace {

// To the nearest, ties to even; NaN stays NaN.
inline uint16_t ToBfloat16(float number) {
  const auto bits = std::bit_cast<uint32_t>(number);
  if (number != number) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

inline float FromBfloat16(uint16_t half) { return std::bit_cast<float>(uint32_t{half} << 16); }

}  // namespace millrace
