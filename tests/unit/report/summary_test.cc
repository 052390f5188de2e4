#include "report/summary.h"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "ledger_folder.h"

namespace millrace {
namespace {

using SummaryTest = LedgerFolder;

SummaryInput Sample() {
  SummaryInput input;
  input.status = RunStatus::kReachedGoal;
  input.reason = "episode_return 475 reached";
  input.metrics.env_steps = 300;
  input.metrics.episode_means = EpisodeMeans{476, 476};
  input.metrics.goal_reached = GoalReached{.env_steps = 250, .finished_ns = 1};
  RoleProfile& actor = input.metrics.profile["actor"];
  actor[Activity::kEnvironment] = 8;
  actor[Activity::kWaitCredit] = 2;
  RoleProfile& trainer = input.metrics.profile["trainer"];
  trainer[Activity::kWaitSamples] = 2.5;
  trainer[Activity::kTrainForward] = 2.5;
  input.usage.cores = 2;
  input.accounting["p"].produced = {3, 300};
  input.accounting["p"].trained = {3, 300};
  input.usage.cpu_seconds_by_role = {{"actor", 4}, {"trainer", 2}};
  input.usage.peak_rss_bytes_by_role = {{"actor", 20000000}};
  input.usage.restarts_by_role = {{"actor", 1}};
  input.usage.pids_by_role = {{"actor", {11, 12, 13}}};
  input.wall_seconds = 7;
  input.train_seconds = 5;
  input.train_cpu_seconds = 4;
  input.env_steps_before = 100;
  input.seconds_to_goal = 6;
  input.millrace_version = "0.1.0";
  input.libtorch_version = "2.13.0";
  input.config_hash = "8a9136aa";
  input.seed = 1;
  return input;
}

TEST(Summary, HasTheDocumentedKeys) {
  const nlohmann::ordered_json json = BuildSummary(Sample());
  for (const char* key : {"status",
                          "reason",
                          "env_steps",
                          "agent_steps",
                          "train_steps",
                          "episodes",
                          "episode_return_mean",
                          "env_steps_to_goal",
                          "seconds_to_goal",
                          "wall_seconds",
                          "elapsed_seconds",
                          "train_seconds",
                          "cpu_seconds",
                          "cpu_seconds_by_role",
                          "train_cpu_seconds",
                          "steps_per_second",
                          "steps_per_cpu_second",
                          "sample_reuse",
                          "peak_rss_bytes_by_role",
                          "restarts_by_role",
                          "lifetime_seconds_by_role",
                          "cores",
                          "profile",
                          "streams",
                          "bottleneck",
                          "versions"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["status"], "reached_goal");
  EXPECT_EQ(json["env_steps_to_goal"], 250);
  EXPECT_EQ(json["cpu_seconds"], 6);
  EXPECT_EQ(json["steps_per_second"], 40);      // (300 - 100) / 5
  EXPECT_EQ(json["steps_per_cpu_second"], 50);  // (300 - 100) / 4
  EXPECT_EQ(json["streams"]["sample/p"]["trained"], 3);
  EXPECT_EQ(json["profile"]["actor"]["threads"]["main"]["parts"]["environment"]["seconds"], 8);
  EXPECT_EQ(
      json["bottleneck"],
      "actor: 80 % of the time it worked (environments 80 %) while trainers waited for samples "
      "50 %");
  EXPECT_EQ(json["versions"]["config_hash"], "8a9136aa");
}

TEST(Summary, IsNullWhereThereIsNothing) {
  const nlohmann::ordered_json json = BuildSummary(SummaryInput{});
  EXPECT_EQ(json["status"], "failed");
  EXPECT_TRUE(json["env_steps_to_goal"].is_null());
  EXPECT_TRUE(json["seconds_to_goal"].is_null());
  EXPECT_TRUE(json["episode_return_mean"].is_null());
  EXPECT_EQ(json["steps_per_second"], 0);
  EXPECT_TRUE(json["streams"].is_object());
}

TEST_F(SummaryTest, ReplacesTheFile) {
  const auto file = folder_ / "summary.json";
  std::ofstream(file) << "old";
  ASSERT_TRUE(WriteSummary(file, Sample()).ok());
  std::ifstream stream(file);
  EXPECT_EQ(nlohmann::ordered_json::parse(stream), BuildSummary(Sample()));
  EXPECT_FALSE(WriteSummary(folder_ / "no" / "summary.json", Sample()).ok());
}

TEST(Summary, DescriptionSaysIfTheSamplesDoNotAddUp) {
  SummaryInput input = Sample();
  EXPECT_THAT(DescribeSummary(input),
              ::testing::HasSubstr("sample/p: 3 segments = 3 trained + 0 dropped + 0 in flight\n"));
  input.accounting["p"].trained = {2, 200};
  EXPECT_THAT(DescribeSummary(input), ::testing::HasSubstr("DOES NOT ADD UP"));
}

}  // namespace
}  // namespace millrace
