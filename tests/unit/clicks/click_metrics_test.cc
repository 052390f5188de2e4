#include "clicks/click_metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "millrace/core/rng.h"

namespace millrace::clicks {
namespace {

TEST(ClickMetrics, AreThoseOfAllPairs) {
  Rng rng(1, 1);
  std::vector<float> scores, labels;
  for (int i = 0; i < 300; ++i) {
    scores.push_back(static_cast<float>(1 + rng.Below(19)) / 20);  // many are equal
    labels.push_back(rng.Uniform() < scores.back() * 0.5 ? 1.0F : 0.0F);
  }
  double better = 0, pairs = 0, loss = 0, clicks = 0;
  for (size_t a = 0; a < scores.size(); ++a) {
    loss -= std::log(labels[a] == 1 ? scores[a] : 1 - scores[a]) / 300;
    clicks += labels[a] / 300;
    for (size_t b = 0; b < scores.size() && labels[a] == 1; ++b) {
      if (labels[b] == 1) continue;
      ++pairs;
      better += scores[a] > scores[b] ? 1 : scores[a] == scores[b] ? 0.5 : 0;
    }
  }
  const ClickMetrics metrics = MeasureClicks(scores, labels);
  EXPECT_NEAR(metrics.auc, better / pairs, 1e-12);
  EXPECT_NEAR(metrics.log_loss, loss, 1e-6);
  const double knowing_the_share = -clicks * std::log(clicks) - (1 - clicks) * std::log(1 - clicks);
  EXPECT_NEAR(metrics.normalized_entropy, loss / knowing_the_share, 1e-6);
}

TEST(ClickMetrics, OfNoNumbersAreNone) {
  const std::vector<float> scores = {0.1F, NAN, 0.9F, NAN}, labels = {0, 1, 1, 0};
  EXPECT_TRUE(std::isnan(MeasureClicks(scores, labels).auc));
  EXPECT_TRUE(std::isnan(MeasureClicks(scores, labels).log_loss));
}

TEST(ClickMetrics, OfOneKindOrNothingAreNoNumbersThatCannotBe) {
  EXPECT_EQ(MeasureClicks({}, {}).auc, 0.5);
  const std::vector<float> scores = {0.1F, 0.9F}, labels = {1, 1};
  const ClickMetrics metrics = MeasureClicks(scores, labels);
  EXPECT_EQ(metrics.auc, 0.5);
  EXPECT_TRUE(std::isfinite(metrics.normalized_entropy));
}

}  // namespace
}  // namespace millrace::clicks
