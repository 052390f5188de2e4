#include "report/run_metrics.h"

#include "ledger_folder.h"

namespace millrace {
namespace {

class RunMetricsTest : public LedgerFolder {
 protected:
  RunMetricsReader MakeReader(std::vector<std::string> policies = {"p"},
                              std::optional<double> goal = std::nullopt) {
    return RunMetricsReader({.ledger_directory = folder_,
                             .policies = std::move(policies),
                             .goal = goal,
                             .window_seconds = 10});
  }
};

TEST_F(RunMetricsTest, OfANewRunAreZero) {
  RunMetricsReader reader = MakeReader();
  const RunMetrics& metrics = reader.Read(1000, 0);
  EXPECT_EQ(metrics.env_steps, 0u);
  EXPECT_EQ(metrics.episode_means, std::nullopt);
  EXPECT_EQ(metrics.time, 1000);
  EXPECT_EQ(metrics.policies.size(), 1u);
}

TEST_F(RunMetricsTest, CountsAnEnvironmentStepOnceHoweverManyStreamsItGoesTo) {
  auto actor = Make("actor", 0, 1);
  // One environment with one agent of "left" and two of "right", two trainer ranks of "left".
  const int left0 = *actor->AddLane("left", 0, 64, 64);
  const int left1 = *actor->AddLane("left", 1, 64, 64);
  const int right = *actor->AddLane("right", 0, 64, 128);
  Commit(*actor, left0, 2);
  Commit(*actor, left1, 1);
  Commit(*actor, right, 2);
  auto other = Make("actor", 1, 1);
  Commit(*other, *other->AddLane("right", 0, 64, 128), 1);
  RunMetricsReader reader = MakeReader({"left", "right"});
  const RunMetrics& metrics = reader.Read(0, 0);
  EXPECT_EQ(metrics.env_steps, 3u * 64 + 64);
  EXPECT_EQ(metrics.agent_steps, 3u * 64 + 2 * 128 + 128);
}

TEST_F(RunMetricsTest, PicksUpNewProcessesAndNeverGoesBack) {
  auto first = Make("actor", 0, 1);
  Commit(*first, *first->AddLane("p", 0, 64, 64), 2);
  RecordEpisode(*first, 1, 10, 20);
  auto state = std::make_unique<ConsumerState>();
  state->train_steps = 7;
  state->policy_version = 8;
  auto trainer = Make("trainer", 0, 1, "p");
  trainer->Commit(*state);
  RunMetricsReader reader = MakeReader();
  EXPECT_EQ(reader.Read(0, 0).env_steps, 128u);
  EXPECT_EQ(reader.metrics().train_steps, 7u);

  auto again = Make("actor", 0, 2);
  Commit(*again, *again->AddLane("p", 0, 64, 64), 1);
  RecordEpisode(*again, 2, 30, 20);
  auto restarted = Make("trainer", 0, 2, "p");  // its state is still empty
  const RunMetrics& metrics = reader.Read(1, 1);
  EXPECT_EQ(metrics.env_steps, 192u);
  EXPECT_EQ(metrics.episodes, 2u);
  EXPECT_EQ(metrics.train_steps, 7u);
  EXPECT_EQ(metrics.policy_version, 8u);
  EXPECT_DOUBLE_EQ(metrics.episode_means->episode_return, 20);
}

TEST_F(RunMetricsTest, TrainStepsAreTheSumOverPoliciesNotOverRanks) {
  auto state = std::make_unique<ConsumerState>();
  state->train_steps = 5;
  state->policy_version = 5;
  Make("trainer", 0, 1, "left", 0, state.get());
  Make("trainer", 1, 1, "left", 1, state.get());
  state->train_steps = 3;
  Make("trainer", 2, 1, "right", 0, state.get());
  RunMetricsReader reader = MakeReader({"left", "right"});
  const RunMetrics& metrics = reader.Read(0, 0);
  EXPECT_EQ(metrics.train_steps, 8u);
  EXPECT_EQ(metrics.policies.at("left").train_steps, 5u);
  EXPECT_EQ(metrics.policies.at("right").train_steps, 3u);
}

TEST_F(RunMetricsTest, RatesAreOfTheLastWindow) {
  auto actor = Make("actor", 0, 1);
  const int lane = *actor->AddLane("p", 0, 100, 100);
  auto trainer = Make("trainer", 0, 1, "p");
  RunMetricsReader reader = MakeReader();
  reader.Read(0, 0);
  Commit(*actor, lane, 10);
  EXPECT_DOUBLE_EQ(reader.Read(0, 5).steps_per_second, 200);  // 1000 in 5 s
  trainer->Add(Counter::kLagSum, 6);
  trainer->Add(Counter::kLagCount, 4);
  trainer->SetMax(Counter::kLagMax, 3);
  actor->activities()[static_cast<size_t>(Activity::kWaitCredit)] += 5'000'000'000;
  const RunMetrics& later = reader.Read(0, 10);
  EXPECT_DOUBLE_EQ(later.steps_per_second, 100);  // 1000 in 10 s
  EXPECT_DOUBLE_EQ(later.policy_lag_mean, 1.5);
  EXPECT_EQ(later.policy_lag_max, 3u);
  EXPECT_DOUBLE_EQ(later.recent.at("actor")[Activity::kWaitCredit], 5);
  // The window now begins at 10.
  EXPECT_DOUBLE_EQ(reader.Read(0, 20).steps_per_second, 0);
  EXPECT_DOUBLE_EQ(reader.metrics().policy_lag_mean, 1.5);  // nothing newer is known
}

TEST_F(RunMetricsTest, SampleReuseIsOverAllTrainersAndTheirIncarnations) {
  RunMetricsReader reader = MakeReader();
  EXPECT_EQ(reader.Read(0, 0).sample_reuse, std::nullopt);
  auto first = Make("trainer", 0, 1, "p"), again = Make("trainer", 0, 2, "p");
  first->Add(Counter::kLagCount, 6);
  first->Add(Counter::kSampleUses, 20);
  again->Add(Counter::kLagCount, 2);
  again->Add(Counter::kSampleUses, 4);
  EXPECT_EQ(reader.Read(0, 1).sample_reuse, 3.0);  // 24 uses of 8 segments
}

TEST_F(RunMetricsTest, WhatEnvironmentsSayIsAveragedOverTheWindow) {
  auto one = Make("actor", 0, 1), other = Make("actor", 1, 1);
  for (Ledger* ledger : {one.get(), other.get()}) {
    ASSERT_TRUE(ledger->NameStatistics({"hidden", "never"}).ok());
  }
  RunMetricsReader reader = MakeReader();
  EXPECT_TRUE(reader.Read(0, 0).environment.empty());
  one->AddStatistic(0, 3, 4);
  other->AddStatistic(0, 1, 1);
  using Means = std::map<std::string, double>;
  EXPECT_EQ(reader.Read(5, 5).environment, (Means{{"environment/hidden", 0.8}}));
  // The episodes of the first five seconds leave the window.
  reader.Read(10, 10);
  one->AddStatistic(0, 0.5, 2);
  EXPECT_EQ(reader.Read(15, 15).environment, (Means{{"environment/hidden", 0.25}}));
  EXPECT_EQ(reader.Read(40, 40).environment, (Means{{"environment/hidden", 0.25}}));
}

TEST_F(RunMetricsTest, EveryEpisodeCountsOnce) {
  auto actor = Make("actor", 0, 1);
  RunMetricsReader reader = MakeReader({"p"}, 1.0);
  for (int i = 1; i <= 100; ++i) {
    RecordEpisode(*actor, i, i <= 50 ? 0.0f : 2.0f, static_cast<uint64_t>(10 * i));
    reader.Read(0, i);
  }
  EXPECT_DOUBLE_EQ(reader.metrics().episode_means->episode_return, 1);
  EXPECT_EQ(reader.metrics().episodes, 100u);
  ASSERT_TRUE(reader.metrics().goal_reached);
  EXPECT_EQ(reader.metrics().goal_reached->env_steps, 1000u);
}

TEST_F(RunMetricsTest, MoreEpisodesThanTheRingHoldsLeaveTheNewest) {
  auto actor = Make("actor", 0, 1);
  RunMetricsReader reader = MakeReader();
  RecordEpisode(*actor, 0, 5, 0);
  reader.Read(0, 0);
  for (int i = 1; i <= 20000; ++i) RecordEpisode(*actor, i, static_cast<float>(i), 0);
  EXPECT_DOUBLE_EQ(reader.Read(0, 1).episode_means->episode_return, 19950.5);  // 19901 to 20000
  RecordEpisode(*actor, 20001, 20001, 0);
  EXPECT_DOUBLE_EQ(reader.Read(0, 2).episode_means->episode_return, 19951.5);
}

}  // namespace
}  // namespace millrace
