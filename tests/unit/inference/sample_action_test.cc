#include <cmath>

#include "gtest/gtest.h"
#include "inference/action_probability.h"
#include "millrace/inference/action_sampler.h"

namespace millrace {
namespace {

ActionSpec Mixed() {  // two discrete components of 2 and 3 choices, two reals
  ActionSpec action = ActionSpec::Discrete(2);
  action.components.push_back(ActionSpec::Continuous({-1, -1}, {1, 1}).components[0]);
  action.components.push_back(ActionSpec::Discrete(3).components[0]);
  return action;
}

struct Draw {
  std::vector<int32_t> discrete = std::vector<int32_t>(2);
  std::vector<float> continuous = std::vector<float>(2);
  float log_prob = 0;
};

const std::vector<float> kLogits = {0.5F, -0.5F, 1.0F, 0.0F, 2.0F};
const std::vector<float> kMean = {0.1F, -0.2F};
const std::vector<float> kLogStd = {-0.5F, 0.3F};

Draw Sample(uint64_t counter, std::span<const uint8_t> mask = {}, bool greedy = false) {
  Draw draw;
  draw.log_prob = SampleAction(Mixed(), kLogits, kMean, kLogStd, mask, {3, 11, counter}, greedy,
                               draw.discrete, draw.continuous);
  return draw;
}

TEST(SampleAction, TheSameKeyDrawsTheSameAction) {
  EXPECT_EQ(Sample(5).discrete, Sample(5).discrete);
  EXPECT_EQ(Sample(5).continuous, Sample(5).continuous);
  EXPECT_NE(Sample(5).continuous, Sample(6).continuous);
}

TEST(ActionSampler, ARowsActionDoesNotDependOnTheOthers) {
  constexpr size_t kRows = 37;
  std::vector<float> logits, mean;
  std::vector<uint8_t> mask;
  for (size_t row = 0; row < kRows; ++row) {
    const float shift = 0.1F * static_cast<float>(row);
    for (const float logit : kLogits) logits.push_back(logit * shift);
    for (const float m : kMean) mean.push_back(m + shift);
    for (size_t i = 0; i < 5; ++i) mask.push_back((row + i) % 3 != 0 || i < 2);
  }
  std::vector<float> log_std = kLogStd;
  ActionSampler sampler(Mixed());
  for (const bool greedy : {false, true}) {
    std::vector<int32_t> discrete(kRows * 2);
    std::vector<float> continuous(kRows * 2), log_prob(kRows);
    sampler.Sample(kRows, {logits, mean, log_std, {}}, mask, {3, 11, 7}, greedy,
                   {discrete, continuous, log_prob});
    for (size_t row = 0; row < kRows; ++row) {
      Draw one;
      one.log_prob = SampleAction(Mixed(), std::span(logits).subspan(row * 5, 5),
                                  std::span(mean).subspan(row * 2, 2), log_std,
                                  std::span(mask).subspan(row * 5, 5), {3, 11 + row, 7}, greedy,
                                  one.discrete, one.continuous);
      ASSERT_EQ(one.discrete, std::vector(&discrete[row * 2], &discrete[row * 2] + 2)) << row;
      ASSERT_EQ(one.continuous, std::vector(&continuous[row * 2], &continuous[row * 2] + 2)) << row;
      ASSERT_EQ(one.log_prob, log_prob[row]) << row;
    }
  }
}

TEST(SampleAction, FrequenciesFollowTheSoftmaxAndTheGaussian) {
  constexpr int kDraws = 20000;
  int zero = 0, two = 0;
  double sum = 0, squares = 0;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const Draw draw = Sample(i);
    zero += draw.discrete[0] == 0;
    two += draw.discrete[1] == 2;
    sum += draw.continuous[0];
    squares += std::pow(draw.continuous[0] - 0.1, 2);
  }
  // Four standard errors of a share are below 4 * sqrt(0.25 / 20000) = 0.0142.
  EXPECT_NEAR(zero / double{kDraws}, 1 / (1 + std::exp(-1.0)), 0.0142);
  EXPECT_NEAR(two / double{kDraws}, std::exp(2.0) / (std::exp(1.0) + 1 + std::exp(2.0)), 0.0142);
  EXPECT_NEAR(sum / kDraws, 0.1, 4 * std::exp(-0.5) / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, std::exp(-1.0), 4 * std::exp(-1.0) * std::sqrt(2.0 / kDraws));
}

TEST(SampleAction, ReturnsTheLogProbabilityOfItsAction) {
  const std::vector<uint8_t> mask = {1, 1, 0, 1, 1};
  for (uint64_t i = 0; i < 50; ++i) {
    const Draw draw = Sample(i, mask);
    EXPECT_NEAR(draw.log_prob,
                ActionLogProbability(Mixed(), {kLogits, kMean, kLogStd, mask}, draw.discrete,
                                     draw.continuous),
                1e-5);
  }
}

TEST(SampleAction, NeverTakesAMaskedChoice) {
  const std::vector<uint8_t> mask = {0, 1, 1, 1, 0};
  for (uint64_t i = 0; i < 2000; ++i) {
    const Draw draw = Sample(i, mask);
    ASSERT_EQ(draw.discrete[0], 1);
    ASSERT_NE(draw.discrete[1], 2);
  }
}

TEST(SampleAction, GreedyTakesTheMode) {
  const Draw draw = Sample(0, {}, true);
  EXPECT_EQ(draw.discrete, (std::vector<int32_t>{0, 2}));
  EXPECT_EQ(draw.continuous, kMean);
  const std::vector<uint8_t> mask = {0, 1, 1, 1, 0};
  EXPECT_EQ(Sample(0, mask, true).discrete, (std::vector<int32_t>{1, 0}));
}

TEST(ActionEntropy, IsTheSumOverParts) {
  // Uniform over 2 of 2 and over 2 of 3 choices: 2 ln 2; a unit Gaussian: 0.5 ln(2 pi e)
  // = 1.4189385.
  const std::vector<float> logits(5, 0.7F), mean = {0, 0}, log_std = {0, 0};
  const std::vector<uint8_t> mask = {1, 1, 1, 0, 1};
  EXPECT_NEAR(ActionEntropy(Mixed(), {logits, mean, log_std, mask}),
              2 * std::log(2.0) + 2 * 1.4189385, 1e-5);
}

}  // namespace
}  // namespace millrace
