#include <gtest/gtest.h>

#include "algorithms/ppo.h"
#include "backends/dense/dense_backend.h"
#include "backends/single_rank_collectives.h"
#include "millrace/core/status.h"
#include "two_ranks.h"

namespace millrace {
namespace {

// Single steps, or as many chunks of a recurrent policy.
constexpr int64_t kItems = 96, kChunkSteps = 7;

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

ModelSpec Lstm(ModelSpec spec, int64_t size) {
  spec.type = "lstm";
  spec.lstm_size = size;
  return spec;
}

// Five things of one number, some out of sight; the critic of an mlp sees them all.
ModelSpec Entities(ModelSpec spec) {
  spec.observation.fields[0].shape = {5, 1};
  spec.observation.fields.push_back({"sees", DType::kUInt8, {5}});
  spec.observation.fields.push_back({"self", DType::kFloat32, {3}});
  spec.entity.sets = {{"position", "sees", spec.type == "mlp" ? "" : "sees"}};
  return spec;
}

// A batch whose actions the masks allow. Chunks restart anywhere, and some steps are absent.
TensorDict Items(const ModelSpec& spec) {
  torch::manual_seed(5);
  const bool recurrent = spec.state_size() > 0;
  const int64_t rows = recurrent ? kItems * kChunkSteps : kItems;
  TensorDict items = {{"observation/position", torch::randn({rows, 5})},
                      {"observation/sees", (torch::rand({rows, 5}) < 0.5).to(torch::kUInt8)},
                      {"observation/self", torch::randn({rows, 3})},
                      {"log_prob", -1.0 - torch::rand({rows})},
                      {"value", torch::randn({rows})},
                      {"advantage", torch::randn({rows})},
                      {"value_target", torch::randn({rows})},
                      {"present", (torch::rand({rows}) < 0.9).to(torch::kUInt8)},
                      {"first", (torch::rand({rows}) < 0.2).to(torch::kUInt8)}};
  if (spec.observation.fields[0].shape.size() == 2) {
    items["observation/position"].unsqueeze_(-1);
  }
  torch::Tensor action = torch::zeros({rows, spec.action.num_discrete()}, torch::kInt32);
  action.select(1, 0).copy_(torch::randint(0, 3, {rows}));
  if (spec.action.continuous_size() > 0) {
    action.select(1, 1).copy_(torch::randint(0, 4, {rows}));
    torch::Tensor mask = (torch::rand({rows, 7}) < 0.6).to(torch::kUInt8);
    for (int64_t row = 0; row < rows; ++row) {
      mask[row][action[row][0].item<int64_t>()] = 1;
      mask[row][3 + action[row][1].item<int64_t>()] = 1;
    }
    items["observation/action_mask"] = mask;
    items["observation/kind"] = torch::randint(-3, 4, {rows}, torch::kInt32);
    items["action/continuous"] = torch::randn({rows, 2});
  }
  items["action/discrete"] = action;
  if (!recurrent) return items;
  for (auto& [name, tensor] : items) tensor = tensor.unflatten(0, {kChunkSteps, kItems});
  items["state"] = torch::randn({kItems, spec.state_size()});
  return items;
}

TensorDict Choose(const ModelSpec& spec, const TensorDict& items, const torch::Tensor& chosen) {
  TensorDict minibatch;
  for (const auto& [name, tensor] : items) {
    const bool chunks = spec.state_size() > 0 && name != "state";
    minibatch[name] = tensor.index_select(chunks ? 1 : 0, chosen);
  }
  return minibatch;
}

std::span<const int64_t> Indices(const torch::Tensor& items) {
  return {items.const_data_ptr<int64_t>(), static_cast<size_t>(items.numel())};
}

std::unique_ptr<DenseBackend> Make(const ModelSpec& spec, DenseBackend::Evaluation evaluation,
                                   double weight_decay = 0.01) {
  auto policy = MakePolicy(spec, /*seed=*/3);
  auto backend = DenseBackend::Create(*policy, {.weight_decay = weight_decay}, evaluation);
  EXPECT_TRUE(backend.ok()) << backend.status();
  return *std::move(backend);
}

// One minibatch by our own kernels.
absl::StatusOr<StepReport> TrainNatively(DenseBackend& backend, const TensorDict& items,
                                         std::span<const int64_t> chosen, const RowLoss& loss,
                                         const OptimizerStep& step, Collectives& group,
                                         std::span<double> metrics) {
  RowTrainer& trainer = *backend.row_trainer();
  MILLRACE_RETURN_IF_ERROR(trainer.Begin(items, loss));
  MILLRACE_ASSIGN_OR_RETURN(const StepReport done, trainer.Train(chosen, step, group, metrics));
  trainer.End();
  return done;
}

// The same by LibTorch.
struct Trained {
  StepReport step;
  LossResult loss;
};
absl::StatusOr<Trained> TrainByAutograd(DenseBackend& backend, const TensorDict& minibatch,
                                        Algorithm& algorithm, const OptimizerStep& step,
                                        Collectives& group) {
  MILLRACE_ASSIGN_OR_RETURN(const HeadOutputs heads, backend.Forward(minibatch));
  MILLRACE_ASSIGN_OR_RETURN(const LossResult loss, algorithm.Loss(heads, minibatch));
  loss.loss.backward();
  MILLRACE_RETURN_IF_ERROR(backend.Backward(heads));
  MILLRACE_ASSIGN_OR_RETURN(const StepReport done, backend.Step(step, group));
  return Trained{done, loss};
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

class NativeTrainer : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { torch::set_num_threads(1); }  // as in a worker: sums in one order
};

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
    const torch::Tensor chosen = torch::randperm(kItems).narrow(0, 0, count).contiguous();
    std::vector<double> metrics(loss.metrics().size());
    const auto done = TrainNatively(*native, items, Indices(chosen), loss, step, *group, metrics);
    ASSERT_TRUE(done.ok()) << done.status();
    const auto expected =
        TrainByAutograd(*reference, Choose(spec, items, chosen), *algorithm, step, *group);
    ASSERT_TRUE(expected.ok()) << expected.status();

    EXPECT_NEAR(done->gradient_norm, expected->step.gradient_norm,
                1e-5 * expected->step.gradient_norm);
    for (size_t i = 0; i < metrics.size(); ++i) {
      EXPECT_NEAR(metrics[i], expected->loss.metrics.at(loss.metrics()[i]).item<double>(), 1e-5)
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

// After the first step Adam's mean is a tenth of the gradient.
TEST_P(NativeTrainer, HasAutogradsGradientOfEveryParameter) {
  const ModelSpec& spec = GetParam().spec;
  const auto native = Make(spec, DenseBackend::Evaluation::kNative, /*weight_decay=*/0);
  const auto reference = Make(spec, DenseBackend::Evaluation::kAutograd, /*weight_decay=*/0);
  const auto algorithm = MakeAlgorithm(spec.action);
  const RowLoss& loss = *algorithm->row_loss();
  const auto group = MakeSingleRankCollectives();
  const TensorDict items = Items(spec);
  const OptimizerStep step{.max_gradient_norm = 0};
  const torch::Tensor all = torch::arange(kItems);
  std::vector<double> metrics(loss.metrics().size());
  ASSERT_TRUE(TrainNatively(*native, items, Indices(all), loss, step, *group, metrics).ok());
  ASSERT_TRUE(TrainByAutograd(*reference, items, *algorithm, step, *group).ok());
  const torch::Tensor ours = native->OptimizerState().at("adam.mean");
  const torch::Tensor theirs = reference->OptimizerState().at("adam.mean");
  for (const ParameterEntry& entry : native->layout().entries()) {
    if (!entry.trainable) continue;
    const auto part = [&](const torch::Tensor& flat) {
      return flat.narrow(0, static_cast<int64_t>(entry.offset), NumElements(entry.shape));
    };
    const auto scale = part(theirs).abs().max().item<double>();
    EXPECT_GT(scale, 0) << entry.name;
    EXPECT_LT((part(ours) - part(theirs)).abs().max().item<double>(), 1e-5 * scale) << entry.name;
  }
}

TEST_P(NativeTrainer, ContinuesFromWeightsAndOptimiserStateBitForBit) {
  const ModelSpec& spec = GetParam().spec;
  const auto algorithm = MakeAlgorithm(spec.action);
  const RowLoss& loss = *algorithm->row_loss();
  const auto group = MakeSingleRankCollectives();
  const TensorDict items = Items(spec);
  const auto first = Make(spec, DenseBackend::Evaluation::kNative);
  const auto resumed = Make(spec, DenseBackend::Evaluation::kNative);
  const torch::Tensor order = torch::randperm(kItems);
  std::vector<double> metrics(loss.metrics().size());
  const auto train = [&](DenseBackend& backend, size_t begin) {
    const auto chosen = Indices(order).subspan(begin, 30);
    ASSERT_TRUE(TrainNatively(backend, items, chosen, loss, {}, *group, metrics).ok());
  };
  train(*first, 0);
  std::vector<std::byte> weights(first->layout().bytes());
  first->Snapshot(weights);
  ASSERT_TRUE(resumed->LoadWeights(weights).ok());
  ASSERT_TRUE(resumed->LoadOptimizerState(first->OptimizerState()).ok());
  train(*first, 30);
  train(*resumed, 30);
  EXPECT_TRUE(first->parameters().weights().equal(resumed->parameters().weights()));
  for (const auto& [name, tensor] : first->OptimizerState()) {
    EXPECT_TRUE(tensor.equal(resumed->OptimizerState().at(name))) << name;
  }
}

// Each rank trains half of what a single one trains; no step is absent, so the mean of the two
// gradients is the whole one's.
TEST_P(NativeTrainer, TwoRanksTrainAsOneDoes) {
  const ModelSpec& spec = GetParam().spec;
  const OptimizerStep step{.learning_rate = 1e-3, .max_gradient_norm = 0.1};
  TensorDict items = Items(spec);
  items["present"].fill_(1);
  const torch::Tensor all = torch::arange(kItems);
  const auto weights_of = [&](Collectives& group) {
    const auto algorithm = MakeAlgorithm(spec.action);
    const auto backend = Make(spec, DenseBackend::Evaluation::kNative);
    const auto share = static_cast<size_t>(kItems / group.size());
    const auto chosen = Indices(all).subspan(static_cast<size_t>(group.rank()) * share, share);
    std::vector<double> metrics(algorithm->row_loss()->metrics().size());
    for (int i = 0; i < 3; ++i) {
      const auto done =
          TrainNatively(*backend, items, chosen, *algorithm->row_loss(), step, group, metrics);
      EXPECT_TRUE(done.ok()) << done.status();
    }
    return backend->parameters().weights().clone();
  };
  const auto one = MakeSingleRankCollectives();
  const torch::Tensor expected = weights_of(*one);
  torch::Tensor weights[2];
  WithTwoRanks(
      [&](std::unique_ptr<Collectives> group) { weights[group->rank()] = weights_of(*group); });
  EXPECT_TRUE(weights[0].equal(weights[1]));
  EXPECT_TRUE(torch::allclose(weights[0], expected, /*rtol=*/1e-4, /*atol=*/1e-5));
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
  const std::vector<int64_t> chosen = {0, 1, 2, 3};
  const auto done =
      TrainNatively(*native, items, chosen, *algorithm->row_loss(), {}, *group, metrics);
  ASSERT_TRUE(done.ok());
  EXPECT_TRUE(done->skipped);
  EXPECT_TRUE(native->parameters().weights().equal(before));
}

TEST(RecurrentNativeTrainer, RefusesChunksThatDoNotFitTogether) {
  const ModelSpec spec = Lstm(Spec(Activation::kTanh, true, {16}, false), 8);
  const auto backend = Make(spec, DenseBackend::Evaluation::kNative);
  const auto algorithm = MakeAlgorithm(spec.action);
  const auto begin = [&](const TensorDict& items) {
    return backend->row_trainer()->Begin(items, *algorithm->row_loss()).code();
  };
  TensorDict items = Items(spec);
  EXPECT_EQ(begin(items), absl::StatusCode::kOk);
  items["advantage"] = items["advantage"].flatten();
  EXPECT_EQ(begin(items), absl::StatusCode::kInvalidArgument);
  items = Items(spec);
  items["state"] = items["state"].narrow(0, 1, kItems - 1);
  EXPECT_EQ(begin(items), absl::StatusCode::kInvalidArgument);
  items.erase("state");
  EXPECT_EQ(begin(items), absl::StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(
    Models, NativeTrainer,
    testing::Values(Case{"tanh", Spec(Activation::kTanh, false, {24, 40}, false)},
                    Case{"relu_shared", Spec(Activation::kRelu, true, {16, 70, 8}, false)},
                    Case{"mixed_actions_and_masks", Spec(Activation::kTanh, false, {20}, true)},
                    Case{"mixed_shared", Spec(Activation::kRelu, true, {33}, true)},
                    Case{"no_hidden_layer", Spec(Activation::kTanh, false, {}, false)},
                    Case{"lstm", Lstm(Spec(Activation::kTanh, true, {24}, false), 16)},
                    Case{"lstm_mixed_actions_and_masks",
                         Lstm(Spec(Activation::kRelu, true, {33, 20}, true), 70)},
                    Case{"entities", Entities(Spec(Activation::kTanh, false, {24}, true))},
                    Case{"lstm_entities",
                         Entities(Lstm(Spec(Activation::kTanh, true, {24}, false), 16))},
                    Case{"lstm_alone", Lstm(Spec(Activation::kTanh, true, {}, true), 5)}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace millrace
