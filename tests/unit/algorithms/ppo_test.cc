#include "algorithms/ppo.h"

#include <cmath>

#include "algorithms/ppo_loss.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

ActionSpec Mixed() {
  ActionSpec action = ActionSpec::Discrete(2);
  action.components.push_back(ActionSpec::Continuous({-1, -1}, {1, 1}).components[0]);
  action.components.push_back(ActionSpec::Discrete(3).components[0]);
  return action;
}

// Heads and minibatch of `rows` rows with leading dimensions `sizes`.
struct Case {
  HeadOutputs heads;
  TensorDict minibatch;
};

Case RandomCase(const ActionSpec& action, std::vector<int64_t> sizes) {
  const auto with = [&](int64_t last) {
    auto all = sizes;
    all.push_back(last);
    return all;
  };
  torch::manual_seed(4);
  Case result;
  if (action.num_choices() > 0) {
    result.heads.logits = torch::randn(with(action.num_choices()));
    std::vector<torch::Tensor> taken;
    for (const auto& component : action.components) {
      if (component.kind != ActionComponent::Kind::kDiscrete) continue;
      taken.push_back(torch::randint(0, component.choices, with(1), torch::kInt32));
    }
    result.minibatch[kDiscreteAction] = torch::cat(taken, -1);
  }
  if (action.continuous_size() > 0) {
    result.heads.mean = torch::randn(with(action.continuous_size()));
    result.heads.log_std = 0.3 * torch::randn({action.continuous_size()});
    result.minibatch[kContinuousAction] = torch::randn(with(action.continuous_size()));
  }
  result.heads.value = torch::randn(sizes);
  result.minibatch["log_prob"] = -3.0 + torch::randn(sizes);
  result.minibatch["value"] = torch::randn(sizes);
  result.minibatch["advantage"] = torch::randn(sizes);
  result.minibatch["value_target"] = torch::randn(sizes);
  result.minibatch["present"] = torch::randint(0, 4, sizes, torch::kUInt8).clamp_max(1);
  return result;
}

HeadOutputs Leaves(const HeadOutputs& heads) {
  const auto leaf = [](const torch::Tensor& tensor) {
    return tensor.defined() ? tensor.clone().requires_grad_() : tensor;
  };
  return {leaf(heads.logits), leaf(heads.mean), leaf(heads.log_std), leaf(heads.value)};
}

void ExpectSameGradient(const torch::Tensor& a, const torch::Tensor& b) {
  ASSERT_EQ(a.defined(), b.defined());
  if (a.defined()) {
    EXPECT_TRUE(torch::allclose(a.grad(), b.grad(), 1e-4, 1e-6)) << a.grad() << b.grad();
  }
}

TEST(FusedPpoLoss, EqualsTheReferenceWithItsGradients) {
  const PpoCoefficients coefficients = {0.2F, 0.5F, 0.7F, 0.03F};
  for (const ActionSpec& action :
       {Mixed(), ActionSpec::Discrete(5), ActionSpec::Continuous({-1, -1}, {1, 1})}) {
    for (const std::vector<int64_t>& sizes : {std::vector<int64_t>{40}, {5, 8}}) {
      Case input = RandomCase(action, sizes);
      if (input.heads.logits.defined()) {  // masked choices, never among those taken
        input.heads.logits.select(-1, 0).fill_(-1e9F);
        input.minibatch[kDiscreteAction].clamp_min_(1);
      }
      const HeadOutputs a = Leaves(input.heads), b = Leaves(input.heads);
      LossResult fused = FusedPpoLoss(action, a, input.minibatch, coefficients);
      LossResult reference = ReferencePpoLoss(action, b, input.minibatch, coefficients);
      (2.0 * fused.loss).backward();
      (2.0 * reference.loss).backward();
      EXPECT_NEAR(fused.loss.item<float>(), reference.loss.item<float>(), 1e-5);
      for (const auto& [name, metric] : reference.metrics) {
        EXPECT_NEAR(fused.metrics.at(name).item<float>(), metric.item<float>(), 1e-4) << name;
      }
      ExpectSameGradient(a.logits, b.logits);
      ExpectSameGradient(a.mean, b.mean);
      ExpectSameGradient(a.log_std, b.log_std);
      ExpectSameGradient(a.value, b.value);
    }
  }
}

TEST(FusedPpoLoss, WorkedByHand) {
  // Two choices of probability 1/2. Row 0: ratio = 0.5 / 0.25 = 2, A = 1: clipped at 1.2.
  // Row 1: ratio 2, A = -1: -(-2) = 2, not clipped. Row 2 is absent.
  const HeadOutputs heads{torch::zeros({3, 2}).requires_grad_(),
                          {},
                          {},
                          torch::tensor({1.0F, 2.0F, 9.0F}).requires_grad_()};
  const TensorDict minibatch = {{kDiscreteAction, torch::zeros({3, 1}, torch::kInt32)},
                                {"log_prob", torch::full({3}, std::log(0.25F))},
                                {"value", torch::zeros({3})},
                                {"advantage", torch::tensor({1.0F, -1.0F, 5.0F})},
                                {"value_target", torch::tensor({0.0F, 5.0F, 0.0F})},
                                {"present", torch::tensor({1, 1, 0}, torch::kUInt8)}};
  LossResult result = FusedPpoLoss(ActionSpec::Discrete(2), heads, minibatch,
                                   {.clip = 0.2F, .value_coefficient = 0.5F});
  // policy = (-1.2 + 2) / 2 = 0.4; value = 0.5 (1 + 9) / 2 = 2.5.
  EXPECT_NEAR(result.metrics.at("policy").item<float>(), 0.4F, 1e-6);
  EXPECT_NEAR(result.metrics.at("value").item<float>(), 2.5F, 1e-6);
  EXPECT_NEAR(result.loss.item<float>(), 0.4F + 0.5F * 2.5F, 1e-6);
  EXPECT_NEAR(result.metrics.at("clip_fraction").item<float>(), 1.0F, 1e-6);
  result.loss.backward();
  // d loss / d logit of row 1: -A ratio (1 - p) / 2 = 0.5; rows 0 and 2 add nothing.
  EXPECT_TRUE(torch::allclose(heads.logits.grad(),
                              torch::tensor({{0.0F, 0.0F}, {0.5F, -0.5F}, {0.0F, 0.0F}})));
  EXPECT_TRUE(torch::allclose(heads.value.grad(), torch::tensor({0.25F, -0.75F, 0.0F})));
}

Options With(const std::string& key, const std::string& value) {
  Options::Value option;
  option.items = {value};
  option.where = "a.yaml:9";
  return Options({{key, option}});
}

std::unique_ptr<Algorithm> Make(const Options& options) {
  auto ppo = MakePpo(options, ActionSpec::Discrete(2));
  EXPECT_TRUE(ppo.ok()) << ppo.status();
  return *std::move(ppo);
}

TensorDict Batch(int64_t steps, int64_t rows) {
  torch::manual_seed(2);
  return {{"reward", torch::randn({steps, rows})},
          {"value", torch::randn({steps + 1, rows})},
          {"terminated", torch::zeros({steps, rows}, torch::kUInt8)},
          {"truncated", torch::zeros({steps, rows}, torch::kUInt8)},
          {"truncation_value", torch::zeros({steps, rows})},
          {"present", torch::ones({steps + 1, rows}, torch::kUInt8)}};
}

TEST(Ppo, NormalisesAdvantagesOverPresentSteps) {
  TensorDict batch = Batch(6, 5);
  batch["present"].select(1, 2).fill_(0);
  batch["reward"].select(1, 2).fill_(1e6);
  ASSERT_TRUE(Make({})->ComputeTargets(batch).ok());
  const auto present =
      torch::cat({batch["advantage"].narrow(1, 0, 2), batch["advantage"].narrow(1, 3, 2)}, 1);
  EXPECT_NEAR(present.mean().item<float>(), 0.0F, 1e-5);
  EXPECT_NEAR(present.square().mean().item<float>(), 1.0F, 1e-4);
  EXPECT_EQ(batch["value_target"].sizes(), torch::IntArrayRef({6, 5}));
}

TEST(Ppo, ABatchOfTheWrongShapeIsAnError) {
  TensorDict batch = Batch(6, 5);
  batch["reward"] = torch::zeros({5, 6});
  const absl::Status status = Make({})->ComputeTargets(batch);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("reward: expected Float [6, 5]"));
}

TEST(Ppo, TheLinearScheduleEndsAtZero) {
  const auto ppo = Make(With("schedule", "linear"));
  EXPECT_DOUBLE_EQ(ppo->Plan(0.0).learning_rate, 3e-4);
  EXPECT_DOUBLE_EQ(ppo->Plan(0.5).learning_rate, 1.5e-4);
  EXPECT_DOUBLE_EQ(ppo->Plan(1.0).learning_rate, 0.0);
  EXPECT_DOUBLE_EQ(Make({})->Plan(1.0).learning_rate, 3e-4);
}

TEST(Ppo, StopsTheEpochsAtTheKlLimit) {
  const Case input = RandomCase(ActionSpec::Discrete(2), {40});
  EXPECT_FALSE(Make({})->Loss(Leaves(input.heads), input.minibatch)->stop_epochs);
  EXPECT_TRUE(
      Make(With("target_kl", "0.01"))->Loss(Leaves(input.heads), input.minibatch)->stop_epochs);
}

TEST(Ppo, MistakesInOptionsNameThePlace) {
  for (const auto& [key, value] : std::map<std::string, std::string>{
           {"gama", "0.9"}, {"gamma", "1.5"}, {"schedule", "lin"}, {"epochs", "0"}}) {
    const auto ppo = MakePpo(With(key, value), ActionSpec::Discrete(2));
    EXPECT_EQ(ppo.status().code(), absl::StatusCode::kInvalidArgument) << key;
    EXPECT_THAT(std::string(ppo.status().message()), HasSubstr("a.yaml:9")) << key;
  }
}

}  // namespace
}  // namespace millrace
