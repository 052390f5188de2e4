#include "core/subsets.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace millrace {
namespace {

TEST(Subsets, AreInOrder) {
  const std::vector<std::vector<int64_t>> expected = {{0, 1}, {0, 2}, {0, 3},
                                                      {1, 2}, {1, 3}, {2, 3}};
  EXPECT_EQ(Subsets(4, 2), expected);
  EXPECT_EQ(Subsets(3, 3), (std::vector<std::vector<int64_t>>{{0, 1, 2}}));
  EXPECT_TRUE(Subsets(2, 3).empty());
}

TEST(Subsets, AreAsManyAsCounted) {
  for (int64_t count = 1; count < 12; ++count) {
    for (int64_t size = 1; size <= count + 1; ++size) {
      const auto subsets = Subsets(count, size);
      EXPECT_EQ(std::ssize(subsets), NumSubsets(count, size));
      EXPECT_TRUE(std::ranges::is_sorted(subsets));
    }
  }
  EXPECT_EQ(NumSubsets(20, 3), 1140);
  EXPECT_EQ(NumSubsets(1000, 100), INT32_MAX);
}

}  // namespace
}  // namespace millrace
