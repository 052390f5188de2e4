#include "embedding/wire_numbers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "embedding/embedding_kernels.h"
#include "millrace/core/rng.h"

namespace millrace::embedding {
namespace {

std::vector<float> ThereAndBack(WireType type, const std::vector<float>& numbers) {
  std::vector<std::byte> bytes(static_cast<size_t>(WireBytes(type, std::ssize(numbers))));
  ToWire(type, numbers, bytes.data());
  std::vector<float> back(numbers.size());
  FromWire(type, bytes.data(), back);
  return back;
}

TEST(WireNumbers, ArriveWithinTheirPrecision) {
  Rng rng(1, 0);
  for (const size_t count : {16, 64, 80, 304}) {
    std::vector<float> numbers(count);
    float largest = 0;
    for (float& number : numbers) {
      number = static_cast<float>(rng.Normal());
      largest = std::max(largest, std::abs(number));
    }
    EXPECT_EQ(ThereAndBack(WireType::kFloat32, numbers), numbers);
    const auto half = ThereAndBack(WireType::kFloat16, numbers);
    const auto bfloat = ThereAndBack(WireType::kBfloat16, numbers);
    const auto eighth = ThereAndBack(WireType::kInt8, numbers);
    for (size_t i = 0; i < count; ++i) {
      EXPECT_NEAR(half[i], numbers[i], std::abs(numbers[i]) * 0x1p-11F + 1e-7F);
      EXPECT_NEAR(bfloat[i], numbers[i], std::abs(numbers[i]) * 0x1p-8F);
      EXPECT_NEAR(eighth[i], numbers[i], largest / 253);
    }
  }
}

TEST(WireNumbers, TakeFewerBytes) {
  EXPECT_EQ(WireBytes(WireType::kFloat32, 256), 1024);
  EXPECT_EQ(WireBytes(WireType::kFloat16, 256), 512);
  EXPECT_EQ(WireBytes(WireType::kInt8, 256), 272);  // 0.266 of float32
}

TEST(WireNumbers, ZerosAndTinyNumbersAreNothingElse) {
  std::vector<float> tiny(kColumnUnit);
  tiny[1] = 1e-42F;
  tiny[2] = -1e-42F;
  for (const float number : ThereAndBack(WireType::kInt8, tiny)) EXPECT_NEAR(number, 0, 1e-41);
}

TEST(WireNumbers, WhatIsNoNumberStaysNone) {
  std::vector<float> numbers(kColumnUnit, 1);
  numbers[1] = std::numeric_limits<float>::quiet_NaN();
  for (const WireType type : {WireType::kFloat16, WireType::kBfloat16, WireType::kInt8}) {
    EXPECT_TRUE(std::isnan(ThereAndBack(type, numbers)[1]));
  }
  numbers[1] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(ThereAndBack(WireType::kFloat16, numbers)[1], 65504);
  EXPECT_TRUE(std::isinf(ThereAndBack(WireType::kBfloat16, numbers)[1]));
  EXPECT_TRUE(std::isnan(ThereAndBack(WireType::kInt8, numbers)[1]));
}

}  // namespace
}  // namespace millrace::embedding
