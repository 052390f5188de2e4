// Backend dlrm with a model that acts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/dlrm/dlrm_backend.h"
#include "backends/single_rank_collectives.h"
#include "models/slate_policy.h"
#include "models/torch_inference_model.h"

namespace millrace {
namespace {

using testing::HasSubstr;

constexpr int64_t kItems = 20, kSamples = 8;
const ActionSpec kSlates = ActionSpec::Discrete(3);  // two of three

ObservationSpec Observation() {
  ObservationSpec observation;
  for (const char* const name : {"candidate_0", "candidate_1", "candidate_2"}) {
    observation.id_features.push_back({.name = name, .rows = kItems, .table = "item"});
  }
  observation.id_features.push_back({.name = "hour", .rows = 24});
  observation.fields = IdFields(observation.id_features);
  return observation;
}

std::shared_ptr<Policy> MakeModel(uint64_t seed) {
  Options options;
  options.Set("slate", {.items = {"2"}});
  auto policy = MakeSlatePolicy(options, Observation(), kSlates, seed);
  EXPECT_TRUE(policy.ok()) << policy.status();
  return *std::move(policy);
}

std::unique_ptr<Backend> MakeBackend(const std::string& rows = "float32") {
  Options options;
  options.Set("table_rows", {.items = {rows}});
  auto backend = MakeDlrmBackend(options, MakeModel(/*seed=*/3));
  EXPECT_TRUE(backend.ok()) << backend.status();
  EXPECT_TRUE((*backend)->Shard(0, 1).ok());
  return *std::move(backend);
}

TensorDict Minibatch() {
  torch::manual_seed(5);
  return {{"observation/ids", torch::randint(0, kItems, {kSamples, 4}, torch::kInt64)},
          {"observation/id_counts", torch::ones({kSamples, 4}, torch::kInt32)}};
}

void Train(Backend& backend) {
  const auto alone = MakeSingleRankCollectives();
  const auto heads = backend.Forward(Minibatch());
  ASSERT_TRUE(heads.ok()) << heads.status();
  (heads->logits.select(1, 0).sum() + heads->value.sum()).backward();
  ASSERT_TRUE(backend.Backward(*heads).ok());
  ASSERT_TRUE(backend.Step({.learning_rate = 0.01, .epsilon = 1e-8}, *alone).ok());
}

// What an actor computes from the weights of a backend.
HeadOutputs Act(const Backend& backend) {
  std::vector<std::byte> weights(backend.layout().bytes());
  backend.Snapshot(weights);
  auto model = MakeTorchInferenceModel(MakeModel(/*seed=*/4), Observation(), kSlates);
  EXPECT_TRUE(model.ok()) << model.status();
  EXPECT_TRUE((*model)->Load(weights).ok());
  TensorDict batch = Minibatch();
  std::vector<TensorView> views;
  for (const char* const name : {"observation/ids", "observation/id_counts"}) {
    torch::Tensor& tensor = batch.at(name);
    const bool counts = tensor.scalar_type() == torch::kInt32;
    views.push_back({counts ? DType::kInt32 : DType::kInt64,
                     {tensor.sizes().data(), tensor.sizes().size()},
                     static_cast<std::byte*>(tensor.data_ptr())});
  }
  HeadOutputs heads;
  heads.logits = torch::empty({kSamples, 3});
  heads.value = torch::empty({kSamples});
  const HeadSpans spans = {.logits = {heads.logits.data_ptr<float>(), 3 * kSamples},
                           .mean = {},
                           .log_std = {},
                           .value = {heads.value.data_ptr<float>(), kSamples}};
  EXPECT_TRUE((*model)->Forward(kSamples, views, {}, spans).ok());
  return heads;
}

class SlateBackend : public testing::TestWithParam<std::string> {};

TEST_P(SlateBackend, ActorsSeeTheRowsThatWereTrained) {
  const auto backend = MakeBackend(GetParam());
  const auto expect_same = [&] {
    const HeadOutputs acted = Act(*backend);
    const auto evaluated = backend->Evaluate(Minibatch());
    ASSERT_TRUE(evaluated.ok());
    EXPECT_TRUE(torch::allclose(acted.logits, evaluated->logits, 1e-4, 1e-5));
    EXPECT_TRUE(
        torch::allclose(acted.value, backend->DenormalizeValue(evaluated->value), 1e-4, 1e-5));
  };
  expect_same();
  const torch::Tensor before = Act(*backend).logits;
  Train(*backend);
  Train(*backend);
  const auto metrics = backend->EndBatch({});
  ASSERT_TRUE(metrics.ok());
  EXPECT_GT(metrics->at("changed_rows"), 0);
  EXPECT_LT(metrics->at("changed_rows"), 1);
  expect_same();
  EXPECT_FALSE(torch::allclose(Act(*backend).logits, before));
  // And those of a checkpoint.
  const auto again = MakeBackend(GetParam());
  std::vector<std::byte> weights(backend->layout().bytes());
  backend->Snapshot(weights);
  ASSERT_TRUE(again->LoadWeights(weights).ok());
  ASSERT_TRUE(again->LoadOptimizerState(backend->OptimizerState()).ok());
  EXPECT_TRUE(torch::equal(Act(*again).logits, Act(*backend).logits));
}

INSTANTIATE_TEST_SUITE_P(Rows, SlateBackend, testing::Values("float32", "float16"));

TEST(SlateBackendErrors, OneTrainerPublishesAllRows) {
  auto backend = MakeDlrmBackend({}, MakeModel(1));
  ASSERT_TRUE(backend.ok());
  EXPECT_THAT(std::string((*backend)->Shard(0, 2).message()),
              HasSubstr("expected 1 with a model that acts"));
}

}  // namespace
}  // namespace millrace
