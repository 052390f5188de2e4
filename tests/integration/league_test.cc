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

TEST(League, PastVersionsPlayAreKeptAndAreRated) {
  const TemporaryDirectory runs;
  const fs::path run = runs.path() / "run";
  const json summary = RunToEnd(
      runs.path(), "run",
      {"policies.default.league={every_versions: 2, opponents: 3, share: 1, teams: [\"hider.*\", "
       "\"seeker.*\"]}",
       "stop={env_steps: 20480}", "report={statistics: [league_win_rate]}"},
      0, kGame);
  EXPECT_EQ(summary["status"], "reached_limit");
  ExpectExactAccounting(summary);
  ExpectNothingLeft(run);
  const uint64_t env_steps = summary["env_steps"].get<uint64_t>();
  // Of the two agents of an episode one is trained, and counted.
  EXPECT_EQ(summary["episodes"].get<uint64_t>(), env_steps / 80) << summary;
  EXPECT_GT(summary["environment/league_win_rate"].get<double>(), 0.25);
  EXPECT_LT(summary["environment/league_win_rate"].get<double>(), 0.75);
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
  const std::string league =
      "policies.default.league={every_versions: 2, teams: [\"hider.*\", \"seeker.*\"]}";
  RunToEnd(runs.path(), "run", {league, "stop={env_steps: 10240}"}, 0, kGame);
  const std::set<uint64_t> before = Versions(run / "league" / "default");
  const CommandOutput resumed = RunMillrace(
      {"resume", run.string(), "--progress", "none", "--set", "stop={env_steps: 20480}"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  const std::set<uint64_t> after = Versions(run / "league" / "default");
  EXPECT_TRUE(std::ranges::includes(after, before));
  EXPECT_GT(after.size(), before.size());
}

TEST(League, IsRefusedInADeterministicRun) {
  const CommandOutput output =
      RunMillrace({"validate", kGame, "--set", "deterministic=true", "--set",
                   "workers.trainer.max_policy_lag=0", "--set",
                   "policies.default.league={every_versions: 2, teams: [\"hider.*\", "
                   "\"seeker.*\"]}"});
  EXPECT_EQ(output.exit_code, 2);
  EXPECT_THAT(output.err, HasSubstr("policies.default.league.share: expected 0 in a deterministic "
                                    "run, got 0.2"));
}

TEST(League, ARunWithoutOneHasNoTable) {
  const TemporaryDirectory runs;
  RunToEnd(runs.path(), "run", {"stop={env_steps: 2560}"}, 0, kGame);
  const CommandOutput output = RunMillrace({"league", (runs.path() / "run").string()});
  EXPECT_EQ(output.exit_code, 2);
  EXPECT_THAT(output.err, HasSubstr("expected a league of two sides"));
}

}  // namespace
}  // namespace millrace
