// PPO on the dense backend solves a contextual bandit: everything but the streams joined by hand.

#include "algorithms/ppo.h"
#include "backends/dense/dense_backend.h"
#include "backends/single_rank_collectives.h"
#include "gtest/gtest.h"
#include "millrace/inference/inference_model.h"

namespace millrace {
namespace {

constexpr int64_t kRows = 256;
constexpr int kContexts = 4;

// A one-hot context; the action of the same number pays 1. Every episode is one step.
class Bandit {
 public:
  explicit Bandit(const ModelSpec& spec) : spec_(spec), model_(*MakeNativeModel(spec)) {}

  void Load(const Backend& backend) {
    std::vector<std::byte> blob(backend.layout().bytes());
    backend.Snapshot(blob);
    ASSERT_TRUE(model_->Load(blob).ok());
  }

  // A batch with T = 1.
  TensorDict Play(uint64_t step) {
    const auto context = torch::arange(kRows) % kContexts;
    auto observation = torch::one_hot(context, kContexts).to(torch::kFloat32);
    auto logits = torch::empty({kRows, kContexts}), value = torch::empty({kRows});
    const std::vector<int64_t> shape = {kRows, kContexts};
    const TensorView view{DType::kFloat32, shape, static_cast<std::byte*>(observation.data_ptr())};
    const auto span = [](torch::Tensor& t) {
      return std::span(t.data_ptr<float>(), static_cast<size_t>(t.numel()));
    };
    const HeadSpans heads{span(logits), {}, {}, span(value)};
    EXPECT_TRUE(model_->Forward(kRows, {&view, 1}, {}, heads).ok());
    auto action = torch::empty({1, kRows, 1}, torch::kInt32), log_prob = torch::empty({1, kRows});
    for (int64_t row = 0; row < kRows; ++row) {
      const auto r = static_cast<size_t>(row);
      log_prob[0][row] =
          SampleAction(spec_.action, heads.logits.subspan(r * kContexts, kContexts), {}, {}, {},
                       {1, r, step}, false, {action.data_ptr<int32_t>() + row, 1}, {});
    }
    const auto reward = (action.select(2, 0) == context).to(torch::kFloat32);
    return {{"observation/context", torch::stack({observation, observation})},
            {kDiscreteAction, action},
            {"log_prob", log_prob},
            {"value", torch::stack({value, value})},
            {"reward", reward},
            {"terminated", torch::ones({1, kRows}, torch::kUInt8)},
            {"truncated", torch::zeros({1, kRows}, torch::kUInt8)},
            {"truncation_value", torch::zeros({1, kRows})},
            {"present", torch::ones({2, kRows}, torch::kUInt8)}};
  }

 private:
  const ModelSpec spec_;
  std::unique_ptr<InferenceModel> model_;
};

void TrainOnBatch(TensorDict batch, Algorithm& ppo, Backend& backend, Collectives& group) {
  ASSERT_TRUE(ppo.ComputeTargets(batch).ok());
  ASSERT_TRUE(backend.UpdateNormalizers(batch, batch["value_target"], group).ok());
  batch["value_target"] = backend.NormalizeValue(batch["value_target"]);
  for (auto& [name, tensor] : batch) tensor = tensor[0];
  const TrainingPlan plan = ppo.Plan(0);
  for (int epoch = 0; epoch < plan.epochs; ++epoch) {
    auto heads = backend.Forward(batch);
    ASSERT_TRUE(heads.ok()) << heads.status();
    auto loss = ppo.Loss(*heads, batch);
    ASSERT_TRUE(loss.ok()) << loss.status();
    loss->loss.backward();
    ASSERT_TRUE(backend.Backward(*heads).ok());
    ASSERT_TRUE(backend.Step({.learning_rate = 0.01}, group).ok());
  }
}

class PpoLearns : public testing::TestWithParam<std::string> {};

TEST_P(PpoLearns, WhichActionPaysInEachContext) {
  at::set_num_threads(1);
  ModelSpec spec;
  spec.hidden = {32};
  spec.shared_trunk = GetParam() == "shared_normalised";
  spec.normalize_observation = spec.normalize_value = spec.shared_trunk;
  spec.observation.fields = {{"context", DType::kFloat32, {kContexts}, Extent::kRows}};
  spec.action = ActionSpec::Discrete(kContexts);
  auto ppo = MakePpo({}, spec.action);
  auto backend = MakeDenseBackend({}, *MakePolicy(spec, 1));
  ASSERT_TRUE(ppo.ok() && backend.ok());
  const auto group = MakeSingleRankCollectives();

  Bandit bandit(spec);
  double first = 0, last = 0;
  for (uint64_t step = 0; step < 40; ++step) {
    bandit.Load(**backend);
    TensorDict batch = bandit.Play(step);
    last = batch["reward"].mean().item<double>();
    if (step == 0) first = last;
    TrainOnBatch(std::move(batch), **ppo, **backend, *group);
  }
  EXPECT_LT(first, 0.4);  // chance: 0.25
  EXPECT_GT(last, 0.95);
}

INSTANTIATE_TEST_SUITE_P(Networks, PpoLearns, testing::Values("separate", "shared_normalised"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace millrace
