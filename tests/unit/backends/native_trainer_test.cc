#include <gtest/gtest.h>

#include "algorithms/ppo.h"
#include "backends/dense/dense_backend.h"
#include "backends/single_rank_collectives.h"
#include "millrace/core/rng.h"

namespace millrace {
namespace {

constexpr int64_t kRows = 96;

struct Case {
  std::string name;
  ModelSpec spec;
};

ModelSpec Spec(Activation activation, bool shared, std::vector<int64_t> hidden, bool mixed_action) {
  ModelSpec spec;
  spec.hidden = std::move(hidden);
  spec.activation = activation;
  spec.shared_trunk = shared;
  spec.normalize_observation = mixed_action;
  spec.observation.fields = {{"position", DType::kFloat32, {5}}};
  spec.action = ActionSpec::Discrete(3);
  if (mixed_action) {
    spec.observation.fields.push_back({kActionMask, DType::kUInt8, {7}});
    spec.observation.fields.push_back({"kind", DType::kInt32, {}});
    spec.action.components.push_back(ActionSpec::Continuous({-1, -1}, {1, 1}).components[0]);
    spec.action.components.push_back(ActionSpec::Discrete(4).components[0]);
  }
  return spec;
}

// A batch of single steps whose actions the masks allow.
TensorDict Items(const ModelSpec& spec) {
  torch::manual_seed(5);
  const bool mixed = spec.action.continuous_size() > 0;
  TensorDict items = {{"observation/position", torch::randn({kRows, 5})},
                      {"log_prob", -1.0 - torch::rand({kRows})},
                      {"value", torch::randn({kRows})},
                      {"advantage", torch::randn({kRows})},
                      {"value_target", torch::randn({kRows})},
                      {"present", (torch::rand({kRows}) < 0.9).to(torch::kUInt8)}};
  torch::Tensor action = torch::zeros({kRows, spec.action.num_discrete()}, torch::kInt32);
  action.select(1, 0).copy_(torch::randint(0, 3, {kRows}));
  if (mixed) {
    action.select(1, 1).copy_(torch::randint(0, 4, {kRows}));
    torch::Tensor mask = (torch::rand({kRows, 7}) < 0.6).to(torch::kUInt8);
    for (int64_t row = 0; row < kRows; ++row) {
      mask[row][action[row][0].item<int64_t>()] = 1;
      mask[row][3 + action[row][1].item<int64_t>()] = 1;
    }
    items["observation/action_mask"] = mask;
    items["observation/kind"] = torch::randint(-3, 4, {kRows}, torch::kInt32);
    items["action/continuous"] = torch::randn({kRows, 2});
  }
  items["action/discrete"] = action;
  return items;
}

std::unique_ptr<DenseBackend> Make(const ModelSpec& spec, DenseBackend::Evaluation evaluation) {
  auto policy = MakePolicy(spec, /*seed=*/3);
  auto backend = DenseBackend::Create(*policy, {.weight_decay = 0.01}, evaluation);
  EXPECT_TRUE(backend.ok()) << backend.status();
  return *std::move(backend);
}

std::unique_ptr<Algorithm> MakeAlgorithm(const ActionSpec& action) {
  Options options;
  for (const auto& [key, value] :
       {std::pair{"entropy_coefficient", "0.01"}, {"value_clip", "0.3"}}) {
    options.Set(key, {.items = {value}, .where = {}, .path = {}});
  }
  auto algorithm = MakePpo(options, action);
  EXPECT_TRUE(algorithm.ok()) << algorithm.status();
  return *std::move(algorithm);
}

class NativeTrainer : public testing::TestWithParam<Case> {};

// Same weights, same minibatches: after each of several optimiser steps both have the same weights,
// moments and metrics.
TEST_P(NativeTrainer, EqualsAutogradStepForStep) {
  const ModelSpec& spec = GetParam().spec;
  const auto native = Make(spec, DenseBackend::Evaluation::kNative);
  const auto reference = Make(spec, DenseBackend::Evaluation::kAutograd);
  ASSERT_NE(native->row_trainer(), nullptr);
  EXPECT_EQ(reference->row_trainer(), nullptr);
  const auto algorithm = MakeAlgorithm(spec.action);
  const RowLoss& loss = *algorithm->row_loss();
  const auto group = MakeSingleRankCollectives();
  const TensorDict items = Items(spec);
  const OptimizerStep step{.learning_rate = 1e-2, .max_gradient_norm = 0.1, .epsilon = 1e-5};
  for (int minibatch = 0; minibatch < 4; ++minibatch) {
    // Of different sizes, none a multiple of what the kernels do at once.
    const int64_t count = 31 - 4 * minibatch;
    const torch::Tensor rows = torch::randperm(kRows).narrow(0, 0, count).contiguous();
    std::vector<double> metrics(loss.metrics().size());
    ASSERT_TRUE(native->row_trainer()->Begin(items, loss).ok());
    const auto done = native->row_trainer()->Train(
        {rows.const_data_ptr<int64_t>(), static_cast<size_t>(count)}, step, *group, metrics);
    ASSERT_TRUE(done.ok()) << done.status();
    native->row_trainer()->End();

    TensorDict chosen;
    for (const auto& [name, tensor] : items) chosen[name] = tensor.index_select(0, rows);
    const auto heads = reference->Forward(chosen);
    ASSERT_TRUE(heads.ok()) << heads.status();
    const auto result = algorithm->Loss(*heads, chosen);
    ASSERT_TRUE(result.ok()) << result.status();
    result->loss.backward();
    ASSERT_TRUE(reference->Backward(*heads).ok());
    const auto expected = reference->Step(step, *group);
    ASSERT_TRUE(expected.ok()) << expected.status();

    EXPECT_NEAR(done->gradient_norm, expected->gradient_norm, 1e-5 * expected->gradient_norm);
    for (size_t i = 0; i < metrics.size(); ++i) {
      EXPECT_NEAR(metrics[i], result->metrics.at(loss.metrics()[i]).item<double>(), 1e-5)
          << loss.metrics()[i];
    }
    EXPECT_TRUE(torch::allclose(native->parameters().weights(), reference->parameters().weights(),
                                /*rtol=*/1e-4, /*atol=*/1e-5))
        << "minibatch " << minibatch;
    const auto ours = native->OptimizerState(), theirs = reference->OptimizerState();
    for (const char* name : {"adam.mean", "adam.variance", "adam.step"}) {
      EXPECT_TRUE(torch::allclose(ours.at(name), theirs.at(name), 1e-4, 1e-6)) << name;
    }
  }
}

TEST_P(NativeTrainer, AGradientThatIsNotFiniteChangesNothing) {
  const ModelSpec& spec = GetParam().spec;
  const auto native = Make(spec, DenseBackend::Evaluation::kNative);
  const auto algorithm = MakeAlgorithm(spec.action);
  const auto group = MakeSingleRankCollectives();
  TensorDict items = Items(spec);
  items["present"].fill_(1);
  items["advantage"].fill_(NAN);
  const torch::Tensor before = native->parameters().weights().clone();
  std::vector<double> metrics(algorithm->row_loss()->metrics().size());
  const std::vector<int64_t> rows = {0, 1, 2, 3};
  ASSERT_TRUE(native->row_trainer()->Begin(items, *algorithm->row_loss()).ok());
  const auto done = native->row_trainer()->Train(rows, {}, *group, metrics);
  native->row_trainer()->End();
  ASSERT_TRUE(done.ok());
  EXPECT_TRUE(done->skipped);
  EXPECT_TRUE(native->parameters().weights().equal(before));
}

INSTANTIATE_TEST_SUITE_P(
    Models, NativeTrainer,
    testing::Values(Case{"tanh", Spec(Activation::kTanh, false, {24, 40}, false)},
                    Case{"relu_shared", Spec(Activation::kRelu, true, {16, 70, 8}, false)},
                    Case{"mixed_actions_and_masks", Spec(Activation::kTanh, false, {20}, true)},
                    Case{"mixed_shared", Spec(Activation::kRelu, true, {33}, true)},
                    Case{"no_hidden_layer", Spec(Activation::kTanh, false, {}, false)}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace millrace
