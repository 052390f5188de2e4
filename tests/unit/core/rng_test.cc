#include "millrace/core/rng.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace millrace {
namespace {

using Words = std::array<uint32_t, 4>;

// Known answers of philox4x32-10 published with Random123 (counter word order as there).
TEST(Philox, MatchesPublishedVectors) {
  EXPECT_EQ(Philox(0, 0, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox(~0ull, ~0ull, ~0ull), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, ResumesFromItsCounter) {
  Rng whole(1, 2);
  for (int i = 0; i < 10; ++i) whole.Normal();
  Rng resumed(1, 2, whole.counter());
  EXPECT_EQ(resumed.Next64(), whole.Next64());
}

TEST(Rng, StreamsAndSeedsDiffer) {
  EXPECT_NE(Rng(1, 2).Next64(), Rng(1, 3).Next64());
  EXPECT_NE(Rng(1, 2).Next64(), Rng(2, 2).Next64());
}

TEST(Rng, UniformStaysInItsRangeAndHasItsMean) {
  Rng rng(7, 0);
  double sum = 0;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = rng.Uniform(-2, 4);
    ASSERT_GE(x, -2);
    ASSERT_LT(x, 4);
    sum += x;
  }
  // Mean 1, standard error 6 / sqrt(12 x 20000) = 0.012.
  EXPECT_NEAR(sum / kDraws, 1.0, 0.06);
}

TEST(Rng, BelowReachesEveryValue) {
  Rng rng(7, 1);
  std::vector<int> counts(6);
  for (int i = 0; i < 6000; ++i) ++counts.at(rng.Below(6));
  for (int count : counts) EXPECT_NEAR(count, 1000, 150);  // 5 standard deviations of 29
  EXPECT_EQ(rng.Below(1), 0u);
}

TEST(Rng, NormalHasUnitVarianceAndIsFinite) {
  Rng rng(7, 2);
  double sum = 0, squares = 0;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = rng.Normal();
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0.0, 0.036);     // 5 / sqrt(20000)
  EXPECT_NEAR(squares / kDraws, 1.0, 0.05);  // 5 x sqrt(2 / 20000)
}

TEST(UnitNumbers, CoverZeroAndStayBelowOne) {
  EXPECT_EQ(ToUnitFloat(0), 0.0f);
  EXPECT_LT(ToUnitFloat(~0u), 1.0f);
  EXPECT_EQ(ToUnitDouble(0, 0), 0.0);
  EXPECT_LT(ToUnitDouble(~0u, ~0u), 1.0);
}

}  // namespace
}  // namespace millrace
