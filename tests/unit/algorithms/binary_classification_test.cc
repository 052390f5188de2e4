#include "algorithms/binary_classification.h"

#include <gtest/gtest.h>

#include <cmath>

namespace millrace {
namespace {

std::unique_ptr<Algorithm> Make() { return *MakeBinaryClassification({}, {}); }

HeadOutputs Heads(torch::Tensor logits) {
  HeadOutputs heads;
  heads.logits = std::move(logits);
  return heads;
}

TEST(BinaryClassification, IsTheCrossEntropyOfTheLabels) {
  const torch::Tensor logits = torch::tensor({{2.0F}, {-1.0F}, {0.5F}}).requires_grad_();
  const torch::Tensor label = torch::tensor({1.0F, 0.0F, 0.0F});
  const auto algorithm = Make();
  const auto result = algorithm->Loss(Heads(logits), {{"label", label}});
  ASSERT_TRUE(result.ok()) << result.status();
  const double expected =
      (std::log1p(std::exp(-2.0)) + std::log1p(std::exp(-1.0)) + std::log1p(std::exp(0.5))) / 3;
  EXPECT_NEAR(result->loss.item<double>(), expected, 1e-6);
  auto metrics = algorithm->TakeBatchMetrics();
  EXPECT_NEAR(metrics.at("log_loss"), expected, 1e-6);
  EXPECT_EQ(metrics.at("auc"), 1);
  result->loss.backward();
  EXPECT_NEAR(logits.grad()[0][0].item<double>(), (1 / (1 + std::exp(-2.0)) - 1) / 3, 1e-6);
}

TEST(BinaryClassification, MetricsAreOfAllMinibatchesOfABatch) {
  const auto algorithm = Make();
  const auto see = [&](float logit, const std::vector<float>& labels) {
    const auto count = static_cast<int64_t>(labels.size());
    ASSERT_TRUE(
        algorithm->Loss(Heads(torch::full({count, 1}, logit)), {{"label", torch::tensor(labels)}})
            .ok());
  };
  see(0, {0, 0, 0});
  see(1, {1, 0});
  auto metrics = algorithm->TakeBatchMetrics();
  EXPECT_NEAR(metrics.at("auc"), (3 + 0.5) / 4, 1e-9);
  EXPECT_NEAR(metrics.at("calibration"), 3 * 0.5 + 2 / (1 + std::exp(-1.0)), 1e-6);
  // Of one kind alone nothing is told that would be no number; and the batch before is forgotten.
  see(0, {0, 0, 0});
  metrics = algorithm->TakeBatchMetrics();
  EXPECT_NEAR(metrics.at("log_loss"), std::log(2.0), 1e-6);
  EXPECT_EQ(metrics.size(), 1u);
}

TEST(BinaryClassification, AModelWithoutOneLogitIsRefused) {
  const auto label = torch::zeros({4});
  EXPECT_FALSE(Make()->Loss({}, {{"label", label}}).ok());
  EXPECT_FALSE(Make()->Loss(Heads(torch::zeros({4, 2})), {{"label", label}}).ok());
}

TEST(BinaryClassification, TakesSamplesInTheirOrder) {
  const auto algorithm = Make();
  EXPECT_TRUE(algorithm->supervised());
  EXPECT_FALSE(algorithm->Plan(0).shuffle);
  EXPECT_EQ(algorithm->Plan(0).epochs, 1);
  EXPECT_EQ(algorithm->ExtraFields(), std::vector<std::string>{"label"});
}

}  // namespace
}  // namespace millrace
