// Whole runs: real processes, real streams, real kills.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <set>
#include <thread>

#include "core/process_identity.h"
#include "core/run_paths.h"
#include "data/ledger.h"
#include "integration/millrace_process.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::seconds;

constexpr char kCartPole[] = MILLRACE_SOURCE_DIR "/configs/cartpole_ppo.yaml";

std::vector<std::string> Arguments(const fs::path& runs, const std::string& name,
                                   std::vector<std::string> settings,
                                   const std::string& file = kCartPole) {
  std::vector<std::string> arguments = {file, "--name", name, "--runs-dir", runs.string(),
                                        "--progress", "none"};
  for (std::string& set : settings) {
    arguments.push_back("--set");
    arguments.push_back(std::move(set));
  }
  return arguments;
}

// Runs to the end and returns the summary.
json RunToEnd(const fs::path& runs, const std::string& name, std::vector<std::string> settings,
              int expected_exit = 0) {
  std::vector<std::string> arguments = Arguments(runs, name, std::move(settings));
  arguments.insert(arguments.begin(), "run");
  const CommandOutput output = RunMillrace(arguments);
  EXPECT_EQ(output.exit_code, expected_exit) << output.out << output.err;
  return ReadJson(runs / name / "summary.json");
}

void ExpectExactAccounting(const json& summary) {
  ASSERT_FALSE(summary["streams"].empty());
  for (const auto& [stream, counts] : summary["streams"].items()) {
    for (const json& unit : {counts, counts["env_steps"]}) {
      uint64_t dropped = 0;
      for (const auto& [reason, count] : unit["dropped"].items()) dropped += count.get<uint64_t>();
      EXPECT_EQ(unit["produced"].get<uint64_t>(), unit["trained"].get<uint64_t>() + dropped +
                                                      unit["in_flight"].get<uint64_t>())
          << stream << ": " << counts.dump();
      EXPECT_EQ(unit["duplicates"].get<uint64_t>(), 0u);
    }
    EXPECT_EQ(counts["in_flight"].get<uint64_t>(), 0u) << "a run that ends in order drains its streams";
  }
}

void ExpectNothingLeft(const fs::path& run) {
  EXPECT_FALSE(fs::exists(RunPaths(run).shm())) << "shared-memory segments are left";
  for (const auto& [name, path] : ListLedgers(run / "ledger")) {
    const auto ledger = Ledger::Read(path);
    if (ledger.ok()) EXPECT_FALSE(IsAlive(ledger->identity.process)) << path;
  }
}

TEST(Run, LearnsInSeparateProcesses) {
  const TemporaryDirectory runs;
  const json summary = RunToEnd(runs.path(), "goal", {"stop={env_steps: 300000, episode_return: 200}"});
  EXPECT_EQ(summary["status"], "reached_goal");
  EXPECT_GE(summary["episode_return_mean"].get<double>(), 200);
  EXPECT_LE(summary["env_steps_to_goal"].get<uint64_t>(), 300000u);
  std::set<int> pids;
  for (const auto& [role, list] : summary["pids_by_role"].items()) {
    for (const json& pid : list) pids.insert(pid.get<int>());
  }
  EXPECT_GE(pids.size(), 6u) << "2 actors, policy worker, trainer, parameter server, launcher";
  ExpectExactAccounting(summary);
  ExpectNothingLeft(runs.path() / "goal");
  const CommandOutput eval = RunMillrace({"eval", (runs.path() / "goal").string(), "--episodes", "10"});
  EXPECT_EQ(eval.exit_code, 0) << eval.err;
  EXPECT_GE(json::parse(eval.out)["return_mean"].get<double>(), 150);
}

TEST(Run, GoesOverSocketsWithoutSharedMemory) {
  const TemporaryDirectory runs;
  LiveRun run("run",
              Arguments(runs.path(), "sockets",
                        {"stop={env_steps: 20480}", "streams.inference.transport=zmq",
                         "streams.sample.transport=zmq", "streams.weight.transport=grpc"}),
              runs.path() / "sockets");
  std::string segment;
  run.Until([&] {
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator(RunPaths(runs.path() / "sockets").shm(), gone)) {
      segment = entry.path().filename();
    }
    return false;
  });
  EXPECT_EQ(run.Wait(), 0);
  EXPECT_EQ(segment, "");
  const json summary = ReadJson(runs.path() / "sockets" / "summary.json");
  EXPECT_EQ(summary["status"], "reached_limit");
  ExpectExactAccounting(summary);
}

class RunWith : public testing::TestWithParam<std::vector<std::string>> {};

TEST_P(RunWith, EndsAtItsStepLimitWithExactAccounts) {
  const TemporaryDirectory runs;
  std::vector<std::string> settings = GetParam();
  settings.push_back("stop={env_steps: 20480}");
  const json summary = RunToEnd(runs.path(), "run", settings);
  EXPECT_EQ(summary["status"], "reached_limit");
  EXPECT_GE(summary["env_steps"].get<uint64_t>(), 20480u);
  ExpectExactAccounting(summary);
  ExpectNothingLeft(runs.path() / "run");
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, RunWith,
    testing::Values(std::vector<std::string>{"workers.actor.inference=inline"},
                    std::vector<std::string>{"workers.trainer.count=2"},
                    std::vector<std::string>{"workers.parameter_server.count=2"},
                    std::vector<std::string>{"workers.trainer.max_policy_lag=2"},
                    std::vector<std::string>{"workers.policy.count=2"}));

class Kill : public testing::TestWithParam<const char*> {};

TEST_P(Kill, IsRestartedAloneAndNothingIsCountedTwice) {
  const TemporaryDirectory runs;
  const fs::path directory = runs.path() / "kill";
  LiveRun run("run",
              Arguments(runs.path(), "kill",
                        {"stop={env_steps: 4000000}", "checkpoint={every_seconds: 0.3}"}),
              directory);
  ASSERT_TRUE(run.Until([&] { return fs::exists(directory / "checkpoints") && run.Metrics().value("train_steps", 0) > 10; }));
  const uint64_t before = run.Metrics()["env_steps"].get<uint64_t>();
  const auto victims = run.Pids(GetParam());
  ASSERT_FALSE(victims.empty());
  ::kill(victims.front(), SIGKILL);
  // The run goes on, and with a new process in the victim's place.
  EXPECT_TRUE(run.Until([&] {
    const auto pids = run.Pids(GetParam());
    return pids.size() == victims.size() && std::find(pids.begin(), pids.end(), victims.front()) == pids.end() &&
           run.Metrics()["env_steps"].get<uint64_t>() > before + 50000;
  }));
  run.Signal(SIGINT);
  EXPECT_EQ(run.Wait(seconds(20)), 5);
  const json summary = ReadJson(directory / "summary.json");
  EXPECT_EQ(summary["restarts_by_role"][GetParam()].get<int>(), 1);
  for (const char* role : {"actor", "policy", "trainer", "parameter_server"}) {
    if (std::string(role) != GetParam()) EXPECT_EQ(summary["restarts_by_role"].value(role, 0), 0) << role;
  }
  ExpectExactAccounting(summary);
  ExpectNothingLeft(directory);
}

INSTANTIATE_TEST_SUITE_P(Roles, Kill,
                         testing::Values("actor", "policy", "trainer", "parameter_server"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Run, InterruptDrainsAndResumeContinues) {
  const TemporaryDirectory runs;
  const fs::path directory = runs.path() / "interrupted";
  uint64_t steps = 0, version = 0;
  {
    LiveRun run("run", Arguments(runs.path(), "interrupted", {"stop={env_steps: 4000000}"}), directory);
    ASSERT_TRUE(run.Until([&] { return run.Metrics().value("train_steps", 0) > 5; }));
    const auto start = std::chrono::steady_clock::now();
    run.Signal(SIGINT);
    EXPECT_EQ(run.Wait(seconds(20)), 5);
    EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(5));
    const json summary = ReadJson(directory / "summary.json");
    EXPECT_EQ(summary["status"], "stopped");
    ExpectExactAccounting(summary);
    ExpectNothingLeft(directory);
    steps = summary["env_steps"].get<uint64_t>();
    version = summary["train_steps"].get<uint64_t>();
  }
  const CommandOutput resumed =
      RunMillrace({"resume", directory.string(), "--progress", "none", "--set",
                   "stop={env_steps: " + std::to_string(steps + 20480) + "}"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  const json summary = ReadJson(directory / "summary.json");
  EXPECT_GT(summary["env_steps"].get<uint64_t>(), steps);
  EXPECT_GT(summary["train_steps"].get<uint64_t>(), version);
  ExpectExactAccounting(summary);
}

std::string Weights(const fs::path& run) {
  std::string newest;
  uint64_t best = 0;
  for (const auto& entry : fs::directory_iterator(run / "checkpoints")) {
    const uint64_t step = std::strtoull(entry.path().filename().c_str(), nullptr, 10);
    if (step >= best) {
      best = step;
      newest = entry.path() / "model.safetensors";
    }
  }
  std::ifstream file(newest, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(Deterministic, TwoRunsAndAnInterruptedOneEndBitEqual) {
  const TemporaryDirectory runs;
  const std::vector<std::string> settings = {"deterministic=true", "stop={env_steps: 51200}"};
  RunToEnd(runs.path(), "a", settings);
  RunToEnd(runs.path(), "b", settings);
  ASSERT_FALSE(Weights(runs.path() / "a").empty());
  EXPECT_EQ(Weights(runs.path() / "a"), Weights(runs.path() / "b"));
  RunToEnd(runs.path(), "c", {"deterministic=true", "stop={env_steps: 51200}", "seed=2"});
  EXPECT_NE(Weights(runs.path() / "a"), Weights(runs.path() / "c"));
  {
    LiveRun run("run", Arguments(runs.path(), "d", settings), runs.path() / "d");
    ASSERT_TRUE(run.Until([&] {
      for (const auto& [name, path] : ListLedgers(runs.path() / "d" / "ledger")) {
        const auto ledger = Ledger::Read(path);
        if (ledger.ok() && ledger->consumer.has_value() && ledger->consumer->batch >= 5) return true;
      }
      return false;
    }));
    run.Signal(SIGINT);
    run.Wait(seconds(20));
  }
  const CommandOutput resumed =
      RunMillrace({"resume", (runs.path() / "d").string(), "--progress", "none"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(Weights(runs.path() / "a"), Weights(runs.path() / "d"));
}

TEST(BadInput, IsOneLineWithPlaceAndExitCode) {
  const TemporaryDirectory directory;
  const auto write = [&](const std::string& text) {
    const fs::path file = directory.path() / "bad.yaml";
    std::ofstream(file) << text;
    return file.string();
  };
  const std::string good = "version: 1\nenvironment: {type: cartpole}\nalgorithm: {type: ppo}\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {good + "workrs: {}\n", "bad.yaml:4.*workrs.*did you mean \"workers\""},
      {good + "seed: many\n", "bad.yaml:4.*seed"},
      {"version: 1\nenvironment: {type: cartpol}\nalgorithm: {type: ppo}\n", "bad.yaml:2.*cartpol.*cartpole"},
      {"version: 1\nenvironment: {type: cartpole}\nalgorithm: {type: pp}\n", "bad.yaml:3.*pp.*ppo"},
      {good + "plugins: [libnothing.so]\n", "libnothing.so"},
  };
  for (const auto& [text, expected] : cases) {
    const CommandOutput output = RunMillrace({"validate", write(text)});
    EXPECT_EQ(output.exit_code, 2) << text << output.err;
    EXPECT_THAT(output.err, testing::ContainsRegex(expected));
    EXPECT_EQ(std::count(output.err.begin(), output.err.end(), '\n'), 1) << output.err;
  }
  EXPECT_EQ(RunMillrace({"run", "nothing.yaml"}).exit_code, 2);
}

}  // namespace
}  // namespace millrace
