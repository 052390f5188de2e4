#include "backends/dense/flat_adam.h"
#include "backends/dense/running_statistics.h"
#include "gtest/gtest.h"
#include "millrace/models/torch.h"

namespace millrace {
namespace {

TEST(FlatAdam, TakesTheStepsOfTorchAdam) {
  torch::manual_seed(1);
  auto expected = torch::randn({50}).requires_grad_();
  auto got = expected.detach().clone();
  torch::optim::Adam reference(
      {expected}, torch::optim::AdamOptions(1e-2).eps(1e-5).betas(std::make_tuple(0.9, 0.99)));
  FlatAdam adam(got, {.beta1 = 0.9, .beta2 = 0.99});
  for (int step = 0; step < 10; ++step) {
    const auto gradient = torch::randn({50});
    expected.mutable_grad() = gradient;
    reference.step();
    adam.Step(got, gradient, 1e-2, 1e-5);
  }
  EXPECT_TRUE(torch::allclose(got, expected, 1e-6, 1e-6));
}

TEST(RunningStatistics, MergedBatchesEqualOneBigBatch) {
  torch::manual_seed(1);
  // A mean far from zero: single precision or sums of squares around 0 would lose the variance.
  const auto all = torch::randn({300, 3}) * 0.01 + 1000.0;
  RunningStatistics statistics(3);
  for (const auto& batch : all.split({100, 7, 193})) {
    statistics.Merge(statistics.Sums(batch, torch::ones({batch.size(0)})));
  }
  const auto exact = all.to(torch::kFloat64);
  EXPECT_TRUE(torch::allclose(statistics.mean(), exact.mean(0), 0, 1e-9));
  EXPECT_TRUE(torch::allclose(statistics.variance(), exact.var(0, false), 1e-6, 0));
  EXPECT_EQ(statistics.count().item<double>(), 300);
}

TEST(RunningStatistics, AbsentRowsDoNotCount) {
  RunningStatistics statistics(1);
  const auto samples = torch::tensor({{1.0F}, {std::nanf("")}, {3.0F}});
  statistics.Merge(statistics.Sums(samples, torch::tensor({1, 0, 1}, torch::kUInt8)));
  EXPECT_EQ(statistics.mean().item<double>(), 2.0);
  EXPECT_EQ(statistics.variance().item<double>(), 1.0);
  statistics.Merge(statistics.Sums(samples, torch::zeros({3})));
  EXPECT_EQ(statistics.count().item<double>(), 2);
}

}  // namespace
}  // namespace millrace
