#include "backends/dlrm/dlrm_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <thread>

#include "algorithms/binary_classification.h"
#include "backends/shm_collectives.h"
#include "backends/single_rank_collectives.h"
#include "models/dlrm_policy.h"

namespace millrace {
namespace {

using testing::HasSubstr;

constexpr int64_t kSamples = 40;

ObservationSpec Observation() {
  ObservationSpec observation;
  observation.id_features = {{.name = "user", .rows = 50, .max_length = 1},
                             {.name = "words", .rows = 20, .max_length = 3}};
  observation.fields = {{"dense", DType::kFloat32, {4}, Extent::kRows}};
  for (Field& field : IdFields(observation.id_features)) observation.fields.push_back(field);
  return observation;
}

Options Set(const std::map<std::string, std::string>& values) {
  Options options;
  for (const auto& [key, value] : values) options.Set(key, {.items = {value}});
  return options;
}

// Columns that are not a multiple of what rows are padded to.
std::unique_ptr<Backend> Make(const std::map<std::string, std::string>& backend = {},
                              std::map<std::string, std::string> model = {}, int rank = 0,
                              int ranks = 1) {
  model.insert({"columns", "6"});
  auto policy = MakeDlrmPolicy(Set(model), Observation(), {}, /*seed=*/3);
  EXPECT_TRUE(policy.ok()) << policy.status();
  auto made = MakeDlrmBackend(Set(backend), *std::move(policy));
  EXPECT_TRUE(made.ok()) << made.status();
  EXPECT_TRUE((*made)->Shard(rank, ranks).ok());
  return *std::move(made);
}

TensorDict Minibatch(int64_t seed) {
  torch::manual_seed(seed);
  const auto count = torch::randint(0, 4, {kSamples, 1});
  TensorDict minibatch = {{"observation/dense", torch::randn({kSamples, 4})},
                          {"observation/ids", torch::randint(0, 20, {kSamples, 4}, torch::kInt64)},
                          {"observation/id_counts",
                           torch::cat({torch::ones({kSamples, 1}), count}, 1).to(torch::kInt32)},
                          {"label", torch::randint(0, 2, {kSamples}).to(torch::kFloat32)}};
  return minibatch;
}

void Train(Backend& backend, const TensorDict& minibatch, Collectives& group, double rate = 0.01) {
  BinaryClassification algorithm({});
  const auto heads = backend.Forward(minibatch);
  ASSERT_TRUE(heads.ok()) << heads.status();
  const auto loss = algorithm.Loss(*heads, minibatch);
  ASSERT_TRUE(loss.ok()) << loss.status();
  loss->loss.backward();
  ASSERT_TRUE(backend.Backward(*heads).ok());
  const auto report =
      backend.Step({.learning_rate = rate, .max_gradient_norm = 0, .epsilon = 1e-8}, group);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->skipped);
}

void Train(Backend& backend, const TensorDict& minibatch, double rate = 0.01) {
  Train(backend, minibatch, *MakeSingleRankCollectives(), rate);
}

double Loss(Backend& backend, const TensorDict& minibatch) {
  const auto heads = backend.Evaluate(minibatch);
  EXPECT_TRUE(heads.ok()) << heads.status();
  return torch::binary_cross_entropy_with_logits(heads->logits.view({-1}), minibatch.at("label"))
      .item<double>();
}

std::vector<std::byte> Weights(const Backend& backend) {
  std::vector<std::byte> weights(backend.layout().bytes());
  backend.Snapshot(weights);
  return weights;
}

using State = std::map<std::string, torch::Tensor>;

void ExpectSame(const State& first, const State& second) {
  ASSERT_EQ(first.size(), second.size());
  for (const auto& [name, tensor] : first) {
    EXPECT_TRUE(torch::equal(tensor, second.at(name))) << name;
  }
}

void ExpectSame(const Backend& a, const Backend& b) {
  EXPECT_EQ(Weights(a), Weights(b));
  ExpectSame(a.OptimizerState(), b.OptimizerState());
}

// The step on a row is the derivative of the loss with respect to it, by differences.
TEST(DlrmBackend, RowsStepDownTheirGradient) {
  const auto backend = Make({{"table_optimizer", "sgd"}, {"table_learning_rate", "1"}});
  const TensorDict minibatch = Minibatch(1);
  const auto before = backend->OptimizerState();
  Train(*backend, minibatch, /*rate=*/0);
  auto after = backend->OptimizerState();
  const torch::Tensor step = before.at("table.words.rows") - after.at("table.words.rows");
  ASSERT_GT(step.abs().max().item<double>(), 1e-5);
  for (const auto& [row, column] : {std::pair{int64_t{3}, int64_t{0}}, {7, 5}, {19, 2}}) {
    double losses[2];
    for (const int side : {0, 1}) {
      auto moved = before;
      moved["table.words.rows"] = before.at("table.words.rows").clone();
      moved["table.words.rows"][row][column] += side == 0 ? -0.01 : 0.01;
      ASSERT_TRUE(backend->LoadOptimizerState(moved).ok());
      losses[side] = Loss(*backend, minibatch);
    }
    const double by_differences = (losses[1] - losses[0]) / 0.02;
    ASSERT_GT(std::abs(by_differences), 1e-4);
    EXPECT_NEAR(step[row][column].item<double>(), by_differences, 0.05 * std::abs(by_differences));
  }
}

TEST(DlrmBackend, RowsOutsideTheMinibatchStay) {
  const auto backend = Make();
  const auto before = backend->OptimizerState();
  Train(*backend, Minibatch(1));
  const auto after = backend->OptimizerState();
  // Users are below 20 here.
  const auto unused = [](const auto& state) {
    return state.at("table.user.rows").narrow(0, 20, 30);
  };
  EXPECT_TRUE(torch::equal(unused(before), unused(after)));
  EXPECT_FALSE(torch::equal(before.at("table.user.rows"), after.at("table.user.rows")));
}

class DlrmBackendWith
    : public testing::TestWithParam<std::pair<std::string, std::map<std::string, std::string>>> {};

TEST_P(DlrmBackendWith, LearnsAndGoesOnFromACheckpoint) {
  const bool cross = GetParam().first == "cross";
  const std::map<std::string, std::string> model = {{"interaction", cross ? "cross" : "dot"},
                                                    {"pooling", cross ? "mean" : "sum"}};
  const auto backend = Make(GetParam().second, model);
  const double before = Loss(*backend, Minibatch(1));
  for (int i = 0; i < 30; ++i) Train(*backend, Minibatch(1));
  EXPECT_LT(Loss(*backend, Minibatch(1)), 0.8 * before);
  const auto resumed = Make(GetParam().second, model);
  ASSERT_TRUE(resumed->LoadWeights(Weights(*backend)).ok());
  ASSERT_TRUE(resumed->LoadOptimizerState(backend->OptimizerState()).ok());
  for (int i = 2; i < 6; ++i) {
    Train(*backend, Minibatch(i));
    Train(*resumed, Minibatch(i));
  }
  ExpectSame(*backend, *resumed);
}

INSTANTIATE_TEST_SUITE_P(
    Settings, DlrmBackendWith,
    testing::Values(
        std::pair{"defaults", std::map<std::string, std::string>{}},
        std::pair{"cross", std::map<std::string, std::string>{}},
        std::pair{"adam", std::map<std::string, std::string>{{"table_optimizer", "adam"},
                                                             {"table_learning_rate", "0.01"}}},
        std::pair{"float16", std::map<std::string, std::string>{{"table_rows", "float16"}}},
        std::pair{"bfloat16", std::map<std::string, std::string>{{"table_rows", "bfloat16"},
                                                                 {"table_optimizer", "adagrad"}}}),
    [](const auto& test) { return test.param.first; });

TEST(DlrmBackend, ABatchThatGoesBackLeavesNothing) {
  const auto backend = Make();
  Train(*backend, Minibatch(1));
  backend->Checkpoint();
  const auto before = backend->OptimizerState();
  const auto weights = Weights(*backend);
  Train(*backend, Minibatch(2));
  EXPECT_NE(Weights(*backend), weights);
  backend->Rollback();
  EXPECT_EQ(Weights(*backend), weights);
  const auto after = backend->OptimizerState();
  ExpectSame(before, after);
}

// Runs `rank_main` for all ranks of a group, each in its thread.
template <typename RankMain>
void WithRanks(int ranks, RankMain rank_main) {
  static std::atomic<int> count{0};
  const auto file = std::filesystem::path(testing::TempDir()) /
                    ("dlrm_backend." + std::to_string(::getpid()) + "." + std::to_string(count++));
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([=] {
      auto group = MakeShmCollectives(
          {.file = file, .rank = rank, .size = ranks, .timeout = std::chrono::seconds(20)});
      ASSERT_TRUE(group.ok()) << group.status();
      rank_main(**group);
    });
  }
}

struct SharedTables {
  std::string sharding;
  int ranks;
  std::string optimizer = "adagrad", rows = "float32";
};
class ShardedDlrmBackend : public testing::TestWithParam<SharedTables> {
 protected:
  std::unique_ptr<Backend> MakeRank(int rank = 0, int ranks = 1) const {
    return Make({{"sharding", GetParam().sharding},
                 {"table_optimizer", GetParam().optimizer},
                 {"table_rows", GetParam().rows},
                 {"rounding", "nearest"}},
                {{"columns", "136"}}, rank, ranks);
  }
};

// Dense gradients are added in another order, so that what is trained is the same within rounding.
TEST_P(ShardedDlrmBackend, LearnsWhatOneProcessLearns) {
  const auto alone = MakeRank();
  std::vector<TensorDict> minibatches;
  for (int n = 0; n < 5; ++n) Train(*alone, minibatches.emplace_back(Minibatch(n)));
  WithRanks(GetParam().ranks, [&](Collectives& group) {
    const auto backend = MakeRank(group.rank(), group.size());
    EXPECT_TRUE(backend->sharded());
    ASSERT_TRUE(backend->Synchronize(group, 0).ok());
    const int64_t samples = kSamples / group.size();
    for (const TensorDict& minibatch : minibatches) {
      TensorDict own;
      for (const auto& [name, tensor] : minibatch) {
        own[name] = tensor.narrow(0, group.rank() * samples, samples);
      }
      Train(*backend, own, group);
    }
    ASSERT_TRUE(backend->Gather(group).ok());
    if (group.rank() != 0) return;
    const State expected = alone->OptimizerState(), got = backend->OptimizerState();
    ASSERT_EQ(got.size(), expected.size());
    for (const auto& [name, tensor] : expected) {
      if (!name.starts_with("table.")) continue;
      // Of 16 bits, the bytes: most are the same, some are rounded to a neighbour.
      const bool whole = tensor.scalar_type() == torch::kFloat32;
      EXPECT_TRUE(whole ? torch::allclose(got.at(name), tensor, 1e-3, 1e-5)
                        : (got.at(name) == tensor).to(torch::kFloat32).mean().item<float>() > 0.9)
          << name;
    }
  });
}

TEST_P(ShardedDlrmBackend, TakesItsShardsOfACheckpoint) {
  const auto alone = MakeRank();
  for (int n = 0; n < 3; ++n) Train(*alone, Minibatch(n));
  const State state = alone->OptimizerState();
  WithRanks(GetParam().ranks, [&](Collectives& group) {
    const auto backend = MakeRank(group.rank(), group.size());
    ASSERT_TRUE(backend->LoadOptimizerState(state).ok());
    ASSERT_TRUE(backend->Synchronize(group, 0).ok());
    ASSERT_TRUE(backend->Gather(group).ok());
    if (group.rank() == 0) ExpectSame(backend->OptimizerState(), state);
  });
}

INSTANTIATE_TEST_SUITE_P(
    Plans, ShardedDlrmBackend,
    testing::Values(SharedTables{"table_wise", 2}, SharedTables{"row_wise", 2},
                    SharedTables{"row_wise", 4, "rowwise_adam"}, SharedTables{"column_wise", 2},
                    SharedTables{"column_wise", 2, "rowwise_adam"},
                    SharedTables{"column_wise", 4, "rowwise_adagrad", "bfloat16"},
                    SharedTables{"replicated", 2, "adam", "float16"}),
    [](const auto& test) {
      return test.param.sharding + std::to_string(test.param.ranks) + test.param.optimizer;
    });

TEST(DlrmBackend, RanksWithTablesOfDifferentStepsAreNoGroup) {
  const auto alone = Make();
  std::vector<State> states = {alone->OptimizerState()};
  Train(*alone, Minibatch(1));
  states.push_back(alone->OptimizerState());
  WithRanks(2, [&](Collectives& group) {
    const auto backend = Make({}, {}, group.rank(), 2);
    const auto rank = static_cast<size_t>(group.rank());
    ASSERT_TRUE(backend->LoadOptimizerState(states[rank]).ok());
    const absl::Status status = backend->Synchronize(group, 0);
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
    EXPECT_THAT(status.message(), HasSubstr("tables of different steps, from 0 to 1"));
  });
}

TEST(DlrmBackend, IdsThatThereAreNotChangeNothing) {
  const auto backend = Make();
  const auto before = backend->OptimizerState();
  TensorDict minibatch = Minibatch(1);
  minibatch["observation/ids"][4][0] = 50;
  const auto heads = backend->Forward(minibatch);
  EXPECT_EQ(heads.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(heads.status().message(), HasSubstr("user"));
  EXPECT_THAT(heads.status().message(), HasSubstr("got 50"));
  const auto after = backend->OptimizerState();
  ExpectSame(before, after);
}

TEST(DlrmBackend, AGradientThatIsNotFiniteIsSkipped) {
  const auto backend = Make();
  const auto before = backend->OptimizerState();
  TensorDict minibatch = Minibatch(1);
  minibatch["observation/dense"][0][0] = std::numeric_limits<float>::quiet_NaN();
  const auto heads = backend->Forward(minibatch);
  ASSERT_TRUE(heads.ok());
  heads->logits.sum().backward();
  ASSERT_TRUE(backend->Backward(*heads).ok());
  const auto report = backend->Step({}, *MakeSingleRankCollectives());
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->skipped);
  const auto after = backend->OptimizerState();
  ExpectSame(before, after);
}

TEST(DlrmBackend, ACheckpointOfOtherTablesIsRefused) {
  const auto backend = Make();
  auto state = backend->OptimizerState();
  state.erase("table.words.rows");
  EXPECT_THAT(backend->LoadOptimizerState(state).message(), HasSubstr("table.words.rows"));
  const auto other = Make({{"table_rows", "bfloat16"}});
  EXPECT_THAT(other->LoadOptimizerState(backend->OptimizerState()).message(),
              HasSubstr("table.user.rows: expected"));
}

TEST(DlrmBackend, OtherModelsAndObservationsAreRefused) {
  EXPECT_THAT(MakeDlrmBackend({}, nullptr).status().message(),
              HasSubstr("expected a model with embedding tables"));
  ObservationSpec observation = Observation();
  observation.id_features.clear();
  EXPECT_THAT(MakeDlrmPolicy({}, observation, {}, 1).status().message(),
              HasSubstr("features of ids"));
  EXPECT_THAT(MakeDlrmPolicy({}, Observation(), ActionSpec::Discrete(2), 1).status().message(),
              HasSubstr("expected a dataset"));
}

}  // namespace
}  // namespace millrace
