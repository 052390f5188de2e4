#include "backends/nm_sparse/policy_divergence.h"

#include <gtest/gtest.h>

#include <cmath>

namespace millrace {
namespace {

TEST(PolicyDivergence, IsTheSumOverComponents) {
  ActionSpec action = ActionSpec::Discrete(2);
  action.components.push_back(ActionSpec::Continuous({-1}, {1}).components[0]);
  action.components.push_back(ActionSpec::Discrete(3).components[0]);
  const auto heads = [](std::initializer_list<double> probabilities, double mean,
                        double deviation) {
    std::vector<double> logits;
    for (const double p : probabilities) logits.push_back(p > 0 ? std::log(p) : -1e9);
    return HeadOutputs{.logits = torch::tensor(logits).unsqueeze(0),
                       .mean = torch::full({1, 1}, mean),
                       .log_std = torch::full({1}, std::log(deviation)),
                       .value = torch::zeros({1})};
  };
  // The last choice is masked.
  const HeadOutputs p = heads({0.5, 0.5, 0.25, 0.75, 0}, 1, 1);
  const HeadOutputs q = heads({0.25, 0.75, 0.5, 0.5, 0}, 3, 2);
  const double first = 0.5 * std::log(0.5 / 0.25) + 0.5 * std::log(0.5 / 0.75);
  const double second = 0.25 * std::log(0.25 / 0.5) + 0.75 * std::log(0.75 / 0.5);
  // log(2 / 1) + (1 + (1 - 3)^2) / (2 * 2^2) - 1/2.
  const double gaussian = std::log(2.0) + 5.0 / 8 - 0.5;
  EXPECT_NEAR(PolicyDivergence(action, p, q), first + second + gaussian, 1e-6);
  EXPECT_EQ(PolicyDivergence(action, p, p), 0);
}

}  // namespace
}  // namespace millrace
