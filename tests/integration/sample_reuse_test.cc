// Runs that use every sample several times.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

#include "integration/whole_run.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::seconds;

constexpr char kConfigs[] = MILLRACE_SOURCE_DIR "/configs/";
constexpr char kReuse[] = "workers.trainer.sample_reuse=4";

// Uses of the batches of `train_steps` steps that began with no batch to use again.
double Uses(uint64_t train_steps) {
  double uses = 0;
  for (uint64_t step = 1; step <= train_steps; ++step) uses += std::min<double>(step, 4);
  return uses;
}

// Every step of the run had as many batches as there were, and a sample counts as trained once.
void ExpectReuse(const json& summary, uint64_t batch_env_steps) {
  double uses = 0;
  uint64_t train_steps = 0;
  for (const auto& [stream, counts] : summary["streams"].items()) {
    const uint64_t trained = counts["env_steps"]["trained"].get<uint64_t>();
    EXPECT_EQ(trained % batch_env_steps, 0u);
    EXPECT_GT(trained / batch_env_steps, 4u);
    uses += Uses(trained / batch_env_steps);
    train_steps += trained / batch_env_steps;
  }
  EXPECT_EQ(summary["train_steps"].get<uint64_t>(), train_steps);
  EXPECT_DOUBLE_EQ(summary["sample_reuse"].get<double>(), uses / static_cast<double>(train_steps));
}

struct ReuseCase {
  std::string name;
  std::string config;
  std::vector<std::string> settings;
};
void PrintTo(const ReuseCase& test, std::ostream* out) { *out << test.name; }

class RunWithReuse : public testing::TestWithParam<ReuseCase> {};

TEST_P(RunWithReuse, IsCountedApartFromExactAccounts) {
  const TemporaryDirectory runs;
  const auto& [name, config, more] = GetParam();
  std::vector<std::string> settings = more;
  settings.insert(settings.end(), {kReuse, "algorithm.epochs=1", "stop={env_steps: 20480}",
                                   "workers.trainer.batch_env_steps=2048"});
  const json summary = RunToEnd(runs.path(), "run", settings, 0, kConfigs + config);
  EXPECT_EQ(summary["status"], "reached_limit");
  ExpectExactAccounting(summary);
  ExpectReuse(summary, 2048);
  ExpectNothingLeft(runs.path() / "run");
}

INSTANTIATE_TEST_SUITE_P(
    Configs, RunWithReuse,
    testing::Values(ReuseCase{"mlp", "cartpole_ppo.yaml", {}},
                    ReuseCase{"two_trainers",
                              "cartpole_ppo.yaml",
                              {"workers.trainer={count: 2, unroll: 32, max_policy_lag: 2}"}},
                    ReuseCase{"recurrent", "memory_lstm.yaml", {}},
                    ReuseCase{"pictures", "catch_cnn_ppo.yaml", {}},
                    ReuseCase{"two_policies", "assortment_lstm.yaml", {}},
                    ReuseCase{"vtrace", "cartpole_impala.yaml", {}}),
    [](const auto& test) { return test.param.name; });

TEST(SampleReuse, BeginsAnewAfterAResume) {
  const TemporaryDirectory runs;
  const fs::path directory = runs.path() / "resumed";
  uint64_t before = 0;
  {
    LiveRun run("run", Arguments(runs.path(), "resumed", {kReuse, "stop={env_steps: 4000000}"}),
                directory);
    ASSERT_TRUE(run.Until([&] { return run.Metrics().value("train_steps", 0) > 5; }));
    run.Signal(SIGINT);
    ASSERT_EQ(run.Wait(seconds(20)), 5);
    const json summary = ReadJson(directory / "summary.json");
    ExpectExactAccounting(summary);
    ExpectReuse(summary, 2048);
    before = summary["train_steps"].get<uint64_t>();
  }
  const CommandOutput resumed =
      RunMillrace({"resume", directory.string(), "--progress", "none", "--set",
                   "stop={env_steps: " + std::to_string(2048 * (before + 10)) + "}"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  const json summary = ReadJson(directory / "summary.json");
  ExpectExactAccounting(summary);
  const uint64_t steps = summary["train_steps"].get<uint64_t>();
  ASSERT_GT(steps, before);
  EXPECT_DOUBLE_EQ(summary["sample_reuse"].get<double>(),
                   (Uses(before) + Uses(steps - before)) / static_cast<double>(steps));
}

// The other rank still has batches that the new one lacks: both begin anew.
TEST(SampleReuse, SurvivesTheLossOfATrainer) {
  const TemporaryDirectory runs;
  const fs::path directory = runs.path() / "killed";
  LiveRun run("run",
              Arguments(runs.path(), "killed",
                        {kReuse, "workers.trainer.count=2", "stop={env_steps: 4000000}"}),
              directory);
  ASSERT_TRUE(run.Until([&] { return run.Metrics().value("train_steps", 0) > 10; }));
  const uint64_t before = run.Metrics()["env_steps"].get<uint64_t>();
  ::kill(run.Pids("trainer").front(), SIGKILL);
  EXPECT_TRUE(run.Until([&] {
    return run.Pids("trainer").size() == 2 &&
           run.Metrics()["env_steps"].get<uint64_t>() > before + 40000;
  }));
  EXPECT_NEAR(run.Metrics()["sample_reuse"].get<double>(), 4, 0.8);
  run.Signal(SIGINT);
  EXPECT_EQ(run.Wait(seconds(20)), 5);
  const json summary = ReadJson(directory / "summary.json");
  EXPECT_EQ(summary["restarts_by_role"].value("trainer", 0), 1);
  ExpectExactAccounting(summary);
  ExpectNothingLeft(directory);
}

TEST(SampleReuse, IsRefusedInADeterministicRun) {
  const CommandOutput output =
      RunMillrace({"validate", kCartPole, "--set", "deterministic=true", "--set", kReuse});
  EXPECT_EQ(output.exit_code, 2);
  EXPECT_THAT(output.err, testing::HasSubstr("--set workers.trainer.sample_reuse: expected 1 in a "
                                             "deterministic run, got 4"));
}

}  // namespace
}  // namespace millrace
