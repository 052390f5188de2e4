#include "backends/dense/dense_backend.h"

#include <cmath>
#include <limits>

#include "backends/single_rank_collectives.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using Evaluation = DenseBackend::Evaluation;

ModelSpec Spec(bool shared, const std::string& type = "mlp") {
  ModelSpec spec;
  spec.type = type;
  spec.hidden = {16, 12};
  spec.shared_trunk = shared;
  spec.lstm_size = type == "lstm" ? 8 : 0;
  spec.normalize_observation = spec.normalize_value = true;
  spec.observation.fields = {{"x", DType::kFloat32, {3}, Extent::kRows},
                             {kActionMask, DType::kUInt8, {4}, Extent::kRows}};
  spec.action = ActionSpec::Discrete(4);
  spec.action.components.push_back(ActionSpec::Continuous({-1}, {1}).components[0]);
  return spec;
}

std::unique_ptr<DenseBackend> Make(const ModelSpec& spec, Evaluation evaluation = Evaluation::kAuto,
                                   uint64_t seed = 1) {
  auto backend = DenseBackend::Create(*MakePolicy(spec, seed), {}, evaluation);
  EXPECT_TRUE(backend.ok()) << backend.status();
  return *std::move(backend);
}

TensorDict Minibatch(std::vector<int64_t> leading, int64_t state_size = 0) {
  torch::manual_seed(5);
  auto x = leading, mask = leading;
  x.push_back(3);
  mask.push_back(4);
  TensorDict batch = {{"observation/x", torch::randn(x)},
                      {"observation/action_mask", torch::randint(0, 2, mask, torch::kUInt8)},
                      {"first", torch::randint(0, 2, leading, torch::kUInt8)}};
  if (state_size > 0) batch["state"] = torch::randn({leading.back(), state_size});
  return batch;
}

// Some loss that depends on every head.
void BackwardThroughHeads(Backend& backend, const TensorDict& minibatch) {
  auto heads = backend.Forward(minibatch);
  ASSERT_TRUE(heads.ok()) << heads.status();
  const auto loss = heads->logits.log_softmax(-1).select(-1, 0).clamp_min(-50).sum() +
                    heads->mean.square().sum() + heads->log_std.exp().sum() +
                    (heads->value - 1).square().sum();
  loss.backward();
  ASSERT_TRUE(backend.Backward(*heads).ok());
}

std::vector<float> Weights(const Backend& backend) {
  std::vector<float> blob(backend.layout().num_floats());
  backend.Snapshot(std::as_writable_bytes(std::span(blob)));
  return blob;
}

TEST(DenseBackend, TheHandWrittenMlpHasAutogradsGradients) {
  for (bool shared : {false, true}) {
    for (Activation activation : {Activation::kTanh, Activation::kRelu}) {
      // The last one is so large that oneDNN may compute it.
      for (const std::vector<int64_t>& leading : {std::vector<int64_t>{9}, {5, 4}, {300}}) {
        ModelSpec spec = Spec(shared);
        spec.activation = activation;
        if (leading[0] == 300) spec.hidden = {256, 256};
        const auto fast = Make(spec), slow = Make(spec, Evaluation::kAutograd);
        const TensorDict minibatch = Minibatch(leading);
        for (int repeat = 0; repeat < 2; ++repeat) {  // buffers and gradients are reused
          BackwardThroughHeads(*fast, minibatch);
          BackwardThroughHeads(*slow, minibatch);
        }
        const auto& expected = slow->parameters().gradients();
        EXPECT_GT(expected.abs().sum().item<float>(), 0.0F);
        EXPECT_TRUE(torch::allclose(fast->parameters().gradients(), expected, 1e-4, 1e-5));
      }
    }
  }
}

TEST(DenseBackend, GradientsAgreeWithFiniteDifferences) {
  for (const ModelSpec& spec : {Spec(false), Spec(true, "lstm")}) {
    const auto backend = Make(spec);
    const TensorDict minibatch = Minibatch({4, 3}, spec.state_size());
    BackwardThroughHeads(*backend, minibatch);
    const auto gradient = backend->parameters().gradients().clone();
    auto& weights = backend->parameters().trainable();
    const auto value_loss = [&] {
      const auto heads = *backend->Forward(minibatch);
      return (heads.value - 1).square().sum().item<double>() +
             heads.mean.square().sum().item<double>();
    };
    // value_head.bias: only the value term depends on it.
    const auto at = static_cast<int64_t>(backend->layout().Find("value_head.bias")->offset);
    constexpr float kStep = 1e-2F;
    weights[at] += kStep;
    const double above = value_loss();
    weights[at] -= 2 * kStep;
    const double below = value_loss();
    EXPECT_NEAR((above - below) / (2 * kStep), gradient[at].item<double>(),
                1e-3 * std::abs(gradient[at].item<double>()) + 1e-3);
  }
}

TEST(DenseBackend, GradientsAreClippedByGlobalNorm) {
  // Adam forgets the scale of gradients, so look at the gradients themselves.
  const auto backend = Make(Spec(false));
  const auto group = MakeSingleRankCollectives();
  BackwardThroughHeads(*backend, Minibatch({9}));
  const double norm = backend->parameters().gradients().norm().item<double>();
  const auto report = backend->Step({.max_gradient_norm = norm / 4}, *group);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_NEAR(report->gradient_norm, norm, 1e-5 * norm);
  EXPECT_NEAR(backend->parameters().gradients().norm().item<double>(), norm / 4, 1e-4 * norm);
}

TEST(DenseBackend, AGradientThatIsNotFiniteChangesNothing) {
  const auto backend = Make(Spec(false));
  const auto group = MakeSingleRankCollectives();
  const auto before = Weights(*backend);
  BackwardThroughHeads(*backend, Minibatch({9}));
  backend->parameters().gradients()[7] = std::numeric_limits<float>::infinity();
  const auto report = backend->Step({}, *group);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->skipped);
  EXPECT_EQ(Weights(*backend), before);
  EXPECT_EQ(backend->OptimizerState().at("adam.step").item<float>(), 0.0F);
}

TEST(DenseBackend, PopArtKeepsValuesInRewardUnits) {
  const auto backend = Make(Spec(false));
  const auto group = MakeSingleRankCollectives();
  const TensorDict minibatch = Minibatch({9});
  const auto first_targets = torch::randn({9}) * 50 + 300;
  ASSERT_TRUE(backend->UpdateNormalizers(minibatch, first_targets, *group).ok());
  // The first update moved the observation statistics as well; from here on they stay.
  const auto before = backend->DenormalizeValue(backend->Forward(minibatch)->value.detach());
  const auto weight = Weights(*backend);
  ASSERT_TRUE(backend->UpdateNormalizers(minibatch, torch::randn({9}) * 5 - 70, *group).ok());
  const auto after = backend->DenormalizeValue(backend->Forward(minibatch)->value.detach());
  EXPECT_NE(Weights(*backend), weight);
  EXPECT_TRUE(torch::allclose(after, before, 1e-4, 1e-2));
  const auto x = torch::randn({5});
  EXPECT_TRUE(
      torch::allclose(backend->NormalizeValue(backend->DenormalizeValue(x)), x, 1e-4, 1e-4));
}

TEST(DenseBackend, EntitiesOfASetShareTheirStatisticsAndHiddenOnesDoNotCount) {
  ModelSpec spec;
  spec.type = "entity_attention";
  spec.normalize_observation = true;
  spec.observation.fields = {{"x", DType::kFloat32, {2}, Extent::kRows},
                             {"boxes", DType::kFloat32, {3, 1}, Extent::kRows},
                             {"there", DType::kUInt8, {3}, Extent::kRows},
                             {"lidar", DType::kFloat32, {4}, Extent::kRows}};
  spec.entity.sets = {{.field = "boxes", .critic_mask = "there"}};
  spec.entity.circular = {"lidar"};
  spec.entity.embedding = 8;
  spec.action = ActionSpec::Discrete(2);
  const auto backend = Make(spec);
  const auto group = MakeSingleRankCollectives();
  const TensorDict batch = {
      {"observation/x", torch::tensor({{1.0F, 10.0F}, {3.0F, 10.0F}})},
      {"observation/boxes",
       torch::tensor({{1.0F, 100.0F, 2.0F}, {3.0F, std::nanf(""), 1000.0F}}).unsqueeze(-1)},
      {"observation/there", torch::tensor({{1, 0, 1}, {1, 0, 0}}, torch::kUInt8)},
      {"observation/lidar", torch::tensor({{0.0F, 4.0F, 0.0F, 4.0F}, {0.0F, 4.0F, 0.0F, 4.0F}})}};
  ASSERT_TRUE(backend->UpdateNormalizers(batch, {}, *group).ok());
  const auto mean = backend->parameters().Weight("observation_mean");
  const auto variance = backend->parameters().Weight("observation_variance");
  // Columns: x, boxes, lidar.
  EXPECT_TRUE(torch::allclose(
      mean, torch::tensor({2.0F, 10.0F, 2.0F, 2.0F, 2.0F, 2.0F, 2.0F, 2.0F, 2.0F})));
  EXPECT_TRUE(torch::allclose(
      variance, torch::tensor({1.0F, 0.0F, 2.0F / 3, 2.0F / 3, 2.0F / 3, 4.0F, 4.0F, 4.0F, 4.0F})));
}

// The same step whenever the backend is in the same state.
void TrainOneStep(Backend& backend) {
  const TensorDict minibatch = Minibatch({9});  // seeds the targets below, too
  const auto group = MakeSingleRankCollectives();
  ASSERT_TRUE(backend.UpdateNormalizers(minibatch, torch::randn({9}), *group).ok());
  BackwardThroughHeads(backend, minibatch);
  ASSERT_TRUE(backend.Step({}, *group).ok());
}

TEST(DenseBackend, RollbackRestoresEverythingTheNextStepDependsOn) {
  const auto backend = Make(Spec(false));
  TrainOneStep(*backend);
  backend->Checkpoint();
  TrainOneStep(*backend);
  const auto expected = Weights(*backend);
  backend->Rollback();
  EXPECT_NE(Weights(*backend), expected);
  TrainOneStep(*backend);
  EXPECT_EQ(Weights(*backend), expected);
}

TEST(DenseBackend, WeightsAndOptimiserStateContinueATraining) {
  const auto a = Make(Spec(false), Evaluation::kAuto, 1),
             b = Make(Spec(false), Evaluation::kAuto, 2);
  TrainOneStep(*a);
  const auto weights = Weights(*a);
  ASSERT_TRUE(b->LoadWeights(std::as_bytes(std::span(weights))).ok());
  ASSERT_TRUE(b->LoadOptimizerState(a->OptimizerState()).ok());
  TrainOneStep(*a);
  TrainOneStep(*b);
  EXPECT_EQ(Weights(*a), Weights(*b));
}

TEST(DenseBackend, RefusesForeignWeightsAndState) {
  const auto backend = Make(Spec(false));
  EXPECT_EQ(backend->LoadWeights({}).code(), absl::StatusCode::kInvalidArgument);
  auto state = backend->OptimizerState();
  state["adam.mean"] = torch::zeros({3});
  EXPECT_THAT(std::string(backend->LoadOptimizerState(state).message()), HasSubstr("adam.mean"));
  state.erase("adam.mean");
  EXPECT_THAT(std::string(backend->LoadOptimizerState(state).message()), HasSubstr("missing"));
}

// A module of a user whose layout forgets a parameter.
class ForgetfulPolicy : public Policy {
 public:
  ForgetfulPolicy() {
    register_parameter("a", torch::zeros({2}));
    register_parameter("b", torch::zeros({2}));
  }
  HeadOutputs Forward(const TensorDict&, const torch::Tensor&, const torch::Tensor&) override {
    throw std::runtime_error("no forward");
  }
  ParameterLayout layout() const override { return ParameterLayout({{"a", {2}, 0, true}}); }
};

TEST(DenseBackend, RefusesALayoutThatForgetsAParameter) {
  const auto backend = MakeDenseBackend({}, std::make_shared<ForgetfulPolicy>());
  EXPECT_EQ(backend.status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace millrace
