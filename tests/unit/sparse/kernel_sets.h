// Random numbers, and every set of kernels that this processor runs.
#pragma once

#include <bit>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "millrace/core/rng.h"
#include "sparse/kernel_choice.h"
#include "sparse/pattern.h"

namespace millrace::sparse {

inline std::vector<const KernelSet*> EverySet() {
  auto sets = AllKernels(Precision::kFloat32);
  for (const KernelSet* set : AllKernels(Precision::kBfloat16)) sets.push_back(set);
  return sets;
}

inline std::string NameOfSet(const testing::TestParamInfo<const KernelSet*>& info) {
  return std::string(info.param->name) +
         (info.param->precision == Precision::kFloat32 ? "_float32" : "_bfloat16");
}

inline std::vector<float> Normal(int64_t size, uint64_t stream) {
  Rng rng(1, stream);
  std::vector<float> values(static_cast<size_t>(size));
  for (float& value : values) value = static_cast<float>(rng.Normal());
  return values;
}

// To the nearest bfloat16, ties to even.
inline float ToBfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return std::bit_cast<float>((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000);
}
inline float Rounded(float value, Precision precision) {
  return precision == Precision::kFloat32 ? value : ToBfloat16(value);
}

// Elements of a tile as numbers.
inline float ElementAt(const std::byte* tile, int64_t i, Precision precision) {
  if (precision == Precision::kFloat32) return reinterpret_cast<const float*>(tile)[i];
  const uint32_t half = reinterpret_cast<const uint16_t*>(tile)[i];
  return std::bit_cast<float>(half << 16);
}

}  // namespace millrace::sparse
