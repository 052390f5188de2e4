#include "algorithms/gae.h"

#include <array>
#include <vector>

#include "gtest/gtest.h"

namespace millrace {
namespace {

constexpr GaeParameters kHalf = {.gamma = 0.5F, .lambda = 0.5F};

struct Result {
  std::vector<float> advantages, targets;
};

// One row of two steps: rewards 1 and 2, values 1, 2, 4.
Result TwoSteps(std::vector<uint8_t> terminated, std::vector<uint8_t> truncated,
                std::vector<float> truncation_values = {0, 0}) {
  const std::vector<float> rewards = {1, 2}, values = {1, 2, 4};
  Result result{std::vector<float>(2), std::vector<float>(2)};
  GeneralizedAdvantages({2, 1, rewards, values, terminated, truncated, truncation_values}, kHalf,
                        result.advantages, result.targets);
  return result;
}

TEST(GeneralizedAdvantages, UnfinishedTailBootstrapsFromTheLastValue) {
  const Result result = TwoSteps({0, 0}, {0, 0});
  // delta_1 = 2 + 0.5*4 - 2 = 2; delta_0 = 1 + 0.5*2 - 1 = 1; A_0 = 1 + 0.25*2.
  EXPECT_EQ(result.advantages, (std::vector<float>{1.5F, 2.0F}));
  EXPECT_EQ(result.targets, (std::vector<float>{2.5F, 4.0F}));
}

TEST(GeneralizedAdvantages, TerminationIsWorthNothingAfterwards) {
  const Result result = TwoSteps({1, 0}, {0, 0}, {9, 9});
  // A_0 = 1 + 0 - 1 = 0, and nothing of A_1 flows back.
  EXPECT_EQ(result.advantages, (std::vector<float>{0.0F, 2.0F}));
}

TEST(GeneralizedAdvantages, TruncationIsWorthTheValueOfTheLastObservation) {
  const Result result = TwoSteps({0, 0}, {1, 0}, {6, 0});
  // A_0 = 1 + 0.5*6 - 1 = 3: neither values[1], which belongs to the next episode, nor A_1 enters.
  EXPECT_EQ(result.advantages, (std::vector<float>{3.0F, 2.0F}));
}

TEST(GeneralizedAdvantages, TerminationWinsOverTruncation) {
  EXPECT_EQ(TwoSteps({1, 0}, {1, 0}, {6, 0}).advantages[0], 0.0F);
}

TEST(GeneralizedAdvantages, RowsAreIndependent) {
  const std::vector<float> rewards = {1, 0, 2, 0}, values = {1, 0, 2, 0, 4, 0},
                           truncation_values(4);
  const std::vector<uint8_t> none(4);
  std::array<float, 4> advantages, targets;
  GeneralizedAdvantages({2, 2, rewards, values, none, none, truncation_values}, kHalf, advantages,
                        targets);
  EXPECT_EQ(advantages, (std::array<float, 4>{1.5F, 0, 2.0F, 0}));
}

}  // namespace
}  // namespace millrace
