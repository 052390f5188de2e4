// Runs in which past versions play, and their table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "integration/whole_run.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

constexpr char kGame[] = MILLRACE_SOURCE_DIR "/configs/hide_and_seek_laptop.yaml";

std::set<uint64_t> Versions(const fs::path& league) {
  std::set<uint64_t> versions;
  for (const auto& entry : fs::directory_iterator(league)) {
    versions.insert(std::stoull(entry.path().filename().string()));
  }
  return versions;
}

// One small policy for everybody.
std::string SelfPlay(const std::string& league) {
  return "policies={default: {model: {type: mlp, hidden: [16]}, league: {every_versions: 2, " +
         league + "teams: [\"hider.*\", \"seeker.*\"]}}}";
}
// Batches of eight short games.
constexpr char kSmall[] =
    "workers={actor: {count: 2, environments: 4, groups: 1, inference: inline}, "
    "trainer: {batch_env_steps: 320, unroll: 40, max_policy_lag: 1}}";
constexpr char kAllAgents[] = "agents=[{match: \".*\", policy: default}]";

TEST(League, PastVersionsPlayAreKeptAndAreRated) {
  const TemporaryDirectory runs;
  const fs::path run = runs.path() / "run";
  const json summary =
      RunToEnd(runs.path(), "run",
               {SelfPlay("opponents: 3, share: 1, "), kAllAgents, kSmall, "stop={env_steps: 2560}",
                "report={statistics: [league_win_rate]}"},
               0, kGame);
  EXPECT_EQ(summary["status"], "reached_limit");
  ExpectExactAccounting(summary);
  ExpectNothingLeft(run);
  // Of the four agents of an episode of 40 steps two are trained, and counted.
  const uint64_t env_steps = summary["env_steps"].get<uint64_t>();
  EXPECT_EQ(summary["episodes"].get<uint64_t>(), 2 * (env_steps / 40)) << summary;
  EXPECT_GT(summary.at("environment/league_win_rate").get<double>(), 0.25);
  EXPECT_LT(summary.at("environment/league_win_rate").get<double>(), 0.75);
  const std::set<uint64_t> versions = Versions(run / "league" / "default");
  EXPECT_EQ(versions, (std::set<uint64_t>{0, 2, 4, 6, 8}));

  const CommandOutput output = RunMillrace({"league", run.string(), "--players", "3", "--episodes",
                                            "4", "--json", (runs.path() / "table").string()});
  ASSERT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("TrueSkill"));
  EXPECT_THAT(output.out, HasSubstr("hider.* and seeker.*"));
  const json table = ReadJson(runs.path() / "table");
  ASSERT_EQ(table["players"].size(), 3u);
  EXPECT_EQ(table["players"][0]["version"], 0);
  EXPECT_EQ(table["players"][1]["version"], 4);
  EXPECT_EQ(table["players"][2]["version"], 8);
  for (const json& player : table["players"]) {
    EXPECT_LT(player["rating_deviation"].get<double>(), 25.0 / 3);
  }
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      const double points = table["points"][i][j];
      EXPECT_TRUE(i == j ? points == -1 : points >= 0 && points <= 1) << table;
    }
  }
  const CommandOutput again =
      RunMillrace({"league", run.string(), "--players", "3", "--episodes", "4"});
  EXPECT_EQ(again.out, output.out);
}

TEST(League, OfTwoPoliciesThatPlayEachOther) {
  const TemporaryDirectory runs;
  const fs::path run = runs.path() / "run";
  const json summary = RunToEnd(
      runs.path(), "run",
      {"policies.hiders.league={every_versions: 4, share: 0.5}",
       "policies.seekers.league={every_versions: 4, share: 0.5}", kSmall, "stop={env_steps: 2560}"},
      0, kGame);
  ExpectExactAccounting(summary);
  const double points = summary.at("environment/league_win_rate").get<double>();
  EXPECT_GT(points, 0);
  EXPECT_LT(points, 1);
  const CommandOutput output = RunMillrace({"league", run.string(), "--episodes", "2"});
  ASSERT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("hiders and seekers"));
}

// Memory, mixed actions, agents that come and go, and policies that each have past versions.
TEST(League, OfTwoRecurrentPolicies) {
  const TemporaryDirectory runs;
  const json summary =
      RunToEnd(runs.path(), "run",
               {"policies.guest.league={every_versions: 2, share: 0.5, teams: [agent_1, agent_2]}",
                "policies.host.league={every_versions: 3, opponents: 2, share: 0.5}",
                "stop={env_steps: 20480}"},
               0, MILLRACE_SOURCE_DIR "/configs/assortment_lstm.yaml");
  ExpectExactAccounting(summary);
  const fs::path league = runs.path() / "run" / "league";
  EXPECT_EQ(Versions(league / "guest"), (std::set<uint64_t>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(Versions(league / "host"), (std::set<uint64_t>{0, 3, 6, 9}));
}

TEST(League, GoesOnAfterAResume) {
  const TemporaryDirectory runs;
  const fs::path run = runs.path() / "run";
  RunToEnd(runs.path(), "run", {SelfPlay(""), kAllAgents, kSmall, "stop={env_steps: 1280}"}, 0,
           kGame);
  const std::set<uint64_t> before = Versions(run / "league" / "default");
  const CommandOutput resumed = RunMillrace(
      {"resume", run.string(), "--progress", "none", "--set", "stop={env_steps: 2560}"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  const std::set<uint64_t> after = Versions(run / "league" / "default");
  EXPECT_TRUE(std::ranges::includes(after, before));
  EXPECT_GT(after.size(), before.size());
}

TEST(League, IsRefusedInADeterministicRun) {
  const CommandOutput output = RunMillrace({"validate", kGame, "--set", "deterministic=true",
                                            "--set", "workers.trainer.max_policy_lag=0", "--set",
                                            "policies.hiders.league={every_versions: 2}"});
  EXPECT_EQ(output.exit_code, 2);
  EXPECT_THAT(output.err, HasSubstr("policies.hiders.league.share: expected 0 in a deterministic "
                                    "run, got 0.2"));
}

TEST(League, ARunWithoutOneHasNoTable) {
  const TemporaryDirectory runs;
  RunToEnd(runs.path(), "run", {kSmall, "stop={env_steps: 320}"}, 0, kGame);
  const CommandOutput output = RunMillrace({"league", (runs.path() / "run").string()});
  EXPECT_EQ(output.exit_code, 2);
  EXPECT_THAT(output.err, HasSubstr("expected a league of two sides"));
}

}  // namespace
}  // namespace millrace
