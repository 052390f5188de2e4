#include "algorithms/vtrace.h"

#include <array>
#include <cmath>

#include "algorithms/vtrace_targets.h"
#include "gtest/gtest.h"

namespace millrace {
namespace {

struct Result {
  std::array<float, 3> targets, advantages;
};

// One row of three steps: rewards 1, 2, 3; values 1, 2, 4, 8.
Result ThreeSteps(std::array<float, 3> ratios, const VtraceParameters& parameters,
                  std::array<uint8_t, 3> terminated = {}, std::array<uint8_t, 3> truncated = {},
                  std::array<float, 3> truncation_values = {}) {
  const std::array<float, 3> rewards = {1, 2, 3};
  const std::array<float, 4> values = {1, 2, 4, 8};
  std::array<float, 3> log_ratios;
  for (size_t i = 0; i < 3; ++i) log_ratios[i] = std::log(ratios[i]);
  Result result;
  VtraceTargets({3, 1, rewards, values, terminated, truncated, truncation_values}, log_ratios,
                parameters, result.targets, result.advantages);
  return result;
}

void ExpectNear(const std::array<float, 3>& got, const std::array<float, 3>& expected) {
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(got[i], expected[i], 1e-5) << i;
}

TEST(VtraceTargets, OnPolicyTheyAreNStepReturns) {
  // gamma = 0.5: v_2 = 3 + 4 = 7; v_1 = 2 + 3.5 = 5.5; v_0 = 1 + 2.75 = 3.75.
  const Result result = ThreeSteps({1, 1, 1}, {.gamma = 0.5F});
  ExpectNear(result.targets, {3.75F, 5.5F, 7.0F});
  ExpectNear(result.advantages, {2.75F, 3.5F, 3.0F});
}

TEST(VtraceTargets, RatiosAreClippedSeparately) {
  // rho = min(1.5, ratio) = 1.5, 0.5, 1.5; c = min(1, ratio) = 1, 0.5, 1.
  // t=2: delta = 1.5 (3 + 4 - 4) = 4.5,  v = 8.5
  // t=1: delta = 0.5 (2 + 2 - 2) = 1,    v = 2 + 1 + 0.5*0.5*4.5 = 4.125
  // t=0: delta = 1.5 (1 + 1 - 1) = 1.5,  v = 1 + 1.5 + 0.5*1*2.125 = 3.5625
  const Result result = ThreeSteps({2, 0.5F, 4}, {.gamma = 0.5F, .rho_clip = 1.5F});
  ExpectNear(result.targets, {3.5625F, 4.125F, 8.5F});
  // rho (r + gamma v_next - V): 1.5 (1 + 2.0625 - 1), 0.5 (2 + 4.25 - 2), 1.5 (3 + 4 - 4).
  ExpectNear(result.advantages, {3.09375F, 2.125F, 4.5F});
}

TEST(VtraceTargets, AnEpisodesEndCutsTheReturn) {
  // Terminated at 1: v_1 = 2, v_0 = 1 + 0.5*2.
  ExpectNear(ThreeSteps({1, 1, 1}, {.gamma = 0.5F}, {0, 1, 0}).targets, {2.0F, 2.0F, 7.0F});
  // Truncated at 1 in a state of value 6: v_1 = 2 + 3, v_0 = 1 + 2.5.
  ExpectNear(ThreeSteps({1, 1, 1}, {.gamma = 0.5F}, {}, {0, 1, 0}, {0, 6, 0}).targets,
             {3.5F, 5.0F, 7.0F});
}

TEST(Vtrace, LossOfOneStepWorkedByHand) {
  Options options;
  auto vtrace = MakeVtrace(options, ActionSpec::Discrete(2));
  ASSERT_TRUE(vtrace.ok()) << vtrace.status();
  EXPECT_EQ((*vtrace)->Plan(0).unit, TrainingPlan::Unit::kSequences);
  const HeadOutputs heads{torch::zeros({2, 1, 2}).requires_grad_(),
                          {},
                          {},
                          torch::tensor({{1.0F}, {2.0F}}).requires_grad_()};
  const TensorDict minibatch = {
      {kDiscreteAction, torch::zeros({1, 1, 1}, torch::kInt32)},
      {"log_prob", torch::full({1, 1}, std::log(0.25F))},  // ratio 2, clipped to 1
      {"reward", torch::ones({1, 1})},
      {"terminated", torch::zeros({1, 1}, torch::kUInt8)},
      {"truncated", torch::zeros({1, 1}, torch::kUInt8)},
      {"truncation_value", torch::zeros({1, 1})},
      {"present", torch::ones({2, 1}, torch::kUInt8)}};
  auto result = (*vtrace)->Loss(heads, minibatch);
  ASSERT_TRUE(result.ok()) << result.status();
  // v = 1 + 0.99*2 = 2.98, so advantage = error = 1.98; entropy ln 2.
  const float expected =
      std::log(2.0F) * 1.98F + 0.5F * 0.5F * 1.98F * 1.98F - 0.01F * std::log(2.0F);
  EXPECT_NEAR(result->loss.item<float>(), expected, 1e-5);
  result->loss.backward();
  EXPECT_NEAR(heads.value.grad()[0].item<float>(), -0.5F * 1.98F, 1e-5);
  EXPECT_EQ(heads.value.grad()[1].item<float>(), 0.0F);  // the bootstrap is a constant
  EXPECT_NEAR(heads.logits.grad()[0][0][0].item<float>(), -0.5F * 1.98F, 1e-5);
}

}  // namespace
}  // namespace millrace
