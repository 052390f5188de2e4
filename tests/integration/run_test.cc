// Whole runs: real processes, real streams, real kills.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <thread>

#include "checkpoint/safetensors.h"
#include "core/process_identity.h"
#include "core/run_paths.h"
#include "data/ledger.h"
#include "integration/whole_run.h"
#include "text.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::seconds;

json LastLine(const fs::path& path) {
  std::ifstream file(path);
  std::string line, last;
  while (std::getline(file, line)) last = line;
  return json::parse(last, nullptr, /*allow_exceptions=*/false);
}

TEST(Run, LearnsInSeparateProcesses) {
  const TemporaryDirectory runs;
  const json summary =
      RunToEnd(runs.path(), "goal", {"stop={env_steps: 300000, episode_return: 200}"});
  EXPECT_EQ(summary["status"], "reached_goal");
  EXPECT_GE(summary["episode_return_mean"].get<double>(), 200);
  EXPECT_LE(summary["env_steps_to_goal"].get<uint64_t>(), 300000u);
  std::set<int> pids;
  for (const auto& [role, list] : summary["pids_by_role"].items()) {
    for (const json& pid : list) pids.insert(pid.get<int>());
  }
  EXPECT_EQ(pids.size(), 7u)
      << "2 actors, policy worker, trainer, parameter server, controller, launcher";
  ExpectExactAccounting(summary);
  ExpectNothingLeft(runs.path() / "goal");
  // Each process is counted once: the launcher, which waits for the others, has done little itself.
  double workers = 0;
  for (const auto& [role, cpu_seconds] : summary["cpu_seconds_by_role"].items()) {
    if (role != "launcher") workers += cpu_seconds.get<double>();
  }
  EXPECT_LT(summary["cpu_seconds_by_role"]["launcher"].get<double>(), 0.5 * workers);
  const json last = LastLine(runs.path() / "goal" / "metrics.jsonl");
  EXPECT_TRUE(last.contains("loss/policy")) << last.dump();
  EXPECT_EQ(last["train_steps"], summary["train_steps"]);
  const CommandOutput eval =
      RunMillrace({"eval", (runs.path() / "goal").string(), "--episodes", "20"});
  EXPECT_EQ(eval.exit_code, 0) << eval.err;
  EXPECT_EQ(json::parse(eval.out)["episodes"].get<int>(), 20);
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
    for (const auto& entry :
         fs::directory_iterator(RunPaths(runs.path() / "sockets").shm(), gone)) {
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
                    std::vector<std::string>{"workers.actor.inference=trainer"},
                    std::vector<std::string>{"workers.actor.inference=trainer",
                                             "workers.trainer.count=2",
                                             "streams.inference.transport=zmq"},
                    std::vector<std::string>{"workers.actor.groups=auto"},
                    std::vector<std::string>{"streams.sample.checksum=true"},
                    std::vector<std::string>{"workers.spin_us=0"},
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
  ASSERT_TRUE(run.Until([&] {
    return fs::exists(directory / "checkpoints") && run.Metrics().value("train_steps", 0) > 10;
  }));
  const uint64_t before = run.Metrics()["env_steps"].get<uint64_t>();
  const auto victims = run.Pids(GetParam());
  ASSERT_FALSE(victims.empty());
  ::kill(victims.front(), SIGKILL);
  // The run goes on, and with a new process in the victim's place.
  EXPECT_TRUE(run.Until([&] {
    const auto pids = run.Pids(GetParam());
    return pids.size() == victims.size() &&
           std::find(pids.begin(), pids.end(), victims.front()) == pids.end() &&
           run.Metrics()["env_steps"].get<uint64_t>() > before + 50000;
  }));
  run.Signal(SIGINT);
  EXPECT_EQ(run.Wait(seconds(20)), 5);
  const json summary = ReadJson(directory / "summary.json");
  for (const char* role : {"actor", "policy", "trainer", "parameter_server"}) {
    const int expected = std::string(role) == GetParam() ? 1 : 0;
    EXPECT_EQ(summary["restarts_by_role"].value(role, 0), expected) << role;
  }
  ExpectExactAccounting(summary);
  ExpectNothingLeft(directory);
}

INSTANTIATE_TEST_SUITE_P(Roles, Kill,
                         testing::Values("actor", "policy", "trainer", "parameter_server"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Run, InterruptDrainsAndResumeContinues) {
  const TemporaryDirectory runs;
  const fs::path directory = runs.path() / "interrupted";
  uint64_t steps = 0, version = 0;
  {
    LiveRun run("run", Arguments(runs.path(), "interrupted", {"stop={env_steps: 4000000}"}),
                directory);
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
  // Time goes on, too.
  double elapsed = 0;
  std::istringstream lines(ReadText(directory / "metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const double now = json::parse(line)["elapsed_seconds"].get<double>();
    EXPECT_GE(now, elapsed);
    elapsed = now;
  }
  const CommandOutput late =
      RunMillrace({"resume", directory.string(), "--set", "stop={wall_seconds: 0.1}"});
  EXPECT_EQ(late.exit_code, 2);
  EXPECT_THAT(late.err, testing::HasSubstr("has had its time"));
  EXPECT_THAT(ReadText(directory / "config.yaml"),
              testing::Not(testing::HasSubstr("wall_seconds: 0.1")));
}

TEST(Run, OneLauncherAtATimeAndStopWaitsForTheSummary) {
  const TemporaryDirectory runs;
  const fs::path directory = runs.path() / "live";
  LiveRun run("run", Arguments(runs.path(), "live", {"stop={env_steps: 100000000}"}), directory);
  ASSERT_TRUE(run.Until([&] { return run.Metrics().value("train_steps", 0) > 0; }));
  const CommandOutput second = RunMillrace({"resume", directory.string()});
  EXPECT_EQ(second.exit_code, 2);
  EXPECT_THAT(second.err, testing::HasSubstr("is running"));
  const CommandOutput stop = RunMillrace({"stop", directory.string()});
  EXPECT_EQ(stop.exit_code, 0) << stop.err;
  EXPECT_EQ(ReadJson(directory / "summary.json")["status"], "stopped");
  EXPECT_EQ(run.Wait(), 5);
  EXPECT_EQ(RunMillrace({"stop", directory.string()}).exit_code, 2);
}

TEST(Run, ARunThatHasReachedItsGoalGoesOnOnlyWithAnother) {
  const TemporaryDirectory runs;
  RunToEnd(runs.path(), "goal", {"stop={env_steps: 300000, episode_return: 30}"});
  const std::string directory = (runs.path() / "goal").string();
  const CommandOutput again = RunMillrace({"resume", directory, "--progress", "none"});
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.err, testing::HasSubstr("has reached its goal"));
  EXPECT_EQ(ReadJson(runs.path() / "goal" / "summary.json")["status"], "reached_goal");
  const CommandOutput higher =
      RunMillrace({"resume", directory, "--progress", "none", "--set", "stop.episode_return=60"});
  EXPECT_EQ(higher.exit_code, 0) << higher.err;
  EXPECT_GE(ReadJson(runs.path() / "goal" / "summary.json")["seconds_to_goal"].get<double>(), 0);
}

// The launcher and the controller die, the workers live on for a while: resume starts anew.
TEST(Run, ResumesAfterItsLauncherWasKilled) {
  const TemporaryDirectory runs;
  const fs::path directory = runs.path() / "orphans";
  uint64_t steps = 0;
  {
    LiveRun run("run",
                Arguments(runs.path(), "orphans",
                          {"stop={env_steps: 100000000}", "checkpoint={every_seconds: 0.2}"}),
                directory);
    ASSERT_TRUE(run.Until([&] { return run.Metrics().value("train_steps", 0) > 10; }));
    steps = run.Metrics()["env_steps"].get<uint64_t>();
    const CommandOutput status = RunMillrace({"status", directory.string()});
    EXPECT_EQ(status.exit_code, 0) << status.err;
    run.Signal(SIGKILL);
    run.Wait();
  }
  const CommandOutput resumed =
      RunMillrace({"resume", directory.string(), "--progress", "none", "--set",
                   "stop={env_steps: " + std::to_string(steps + 20480) + "}"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  const json summary = ReadJson(directory / "summary.json");
  EXPECT_EQ(summary["status"], "reached_limit");
  ExpectExactAccounting(summary);
  ExpectNothingLeft(directory);
}

// The newest checkpoint's.
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
  return ReadText(newest);
}

struct DeterministicCase {
  std::string name;
  std::string config;
  uint64_t env_steps;
  std::vector<std::string> settings;
};
void PrintTo(const DeterministicCase& test, std::ostream* out) { *out << test.name; }

class Deterministic : public testing::TestWithParam<DeterministicCase> {};

TEST_P(Deterministic, TwoRunsAndAnInterruptedOneEndBitEqual) {
  const TemporaryDirectory runs;
  const auto& [name, config, env_steps, more] = GetParam();
  const std::string file = std::string(MILLRACE_SOURCE_DIR "/configs/") + config;
  std::vector<std::string> settings = more;
  settings.push_back("deterministic=true");
  settings.push_back("checkpoint={every_seconds: 0.2, keep: 100}");
  settings.push_back("stop={env_steps: " + std::to_string(env_steps) + "}");
  RunToEnd(runs.path(), "a", settings, 0, file);
  RunToEnd(runs.path(), "b", settings, 0, file);
  const std::string weights = Weights(runs.path() / "a");
  ASSERT_FALSE(weights.empty());
  EXPECT_TRUE(weights == Weights(runs.path() / "b"));
  settings.push_back("seed=2");
  RunToEnd(runs.path(), "c", settings, 0, file);
  EXPECT_FALSE(weights == Weights(runs.path() / "c"));
  settings.pop_back();
  {
    LiveRun run("run", Arguments(runs.path(), "d", settings, file), runs.path() / "d");
    ASSERT_TRUE(run.Until([&] {
      for (const auto& [worker, path] : ListLedgers(runs.path() / "d" / "ledger")) {
        const auto ledger = Ledger::Read(path);
        if (ledger.ok() && ledger->consumer.has_value() && ledger->consumer->batch >= 3)
          return true;
      }
      return false;
    }));
    run.Signal(SIGINT);
    run.Wait(seconds(20));
  }
  const CommandOutput resumed =
      RunMillrace({"resume", (runs.path() / "d").string(), "--progress", "none"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_TRUE(weights == Weights(runs.path() / "d"));
}

INSTANTIATE_TEST_SUITE_P(
    Configs, Deterministic,
    testing::Values(
        DeterministicCase{"cartpole", "cartpole_ppo.yaml", 51200, {}},
        DeterministicCase{"inline_with_two_trainers",
                          "cartpole_ppo.yaml",
                          20480,
                          {"workers.actor.inference=inline", "workers.trainer.count=2"}},
        DeterministicCase{"over_sockets",
                          "cartpole_ppo.yaml",
                          20480,
                          {"streams.inference.transport=zmq", "streams.sample.transport=zmq",
                           "streams.weight.transport=grpc"}},
        DeterministicCase{
            "embedding_tables",
            "rec_slate_ppo.yaml",
            10240,
            {"environment.items=500", "workers.actor.environments=16",
             "workers.trainer={batch_env_steps: 1024, unroll: 16}", "algorithm.minibatch=512"}},
        DeterministicCase{"nm_sparse", "cartpole_ppo.yaml", 20480, {"backend={type: nm_sparse}"}},
        DeterministicCase{"nm_sparse_with_two_trainers",
                          "cartpole_ppo.yaml",
                          20480,
                          {"backend={type: nm_sparse, pattern: 2:4}", "workers.trainer.count=2",
                           "workers.actor.inference=inline", "streams.weight.transport=grpc"}},
        DeterministicCase{"nm_sparse_between_dense_ends",
                          "cartpole_ppo.yaml",
                          20480,
                          {"backend={type: nm_sparse, dense_until: 0.2, dense_from: 0.8, "
                           "refresh_interval: 2, decay: 2.0e-4, freeze_variance: true}"}},
        DeterministicCase{
            "nm_sparse_pictures", "catch_cnn_ppo.yaml", 20480, {"backend={type: nm_sparse}"}},
        DeterministicCase{"encoded_observations",
                          "cartpole_ppo.yaml",
                          20480,
                          {"streams.sample={transport: zmq, observations: bounded}"}},
        DeterministicCase{"recurrent", "memory_lstm.yaml", 20480, {}},
        DeterministicCase{"pictures", "catch_cnn_ppo.yaml", 20480, {}},
        DeterministicCase{"two_policies", "two_agent_cartpole.yaml", 20480, {}},
        DeterministicCase{"assortment", "assortment_lstm.yaml", 20480, {}}),
    [](const auto& test) { return test.param.name; });

TEST(Run, ReportsWhatABackendSaysOfItself) {
  const TemporaryDirectory runs;
  RunToEnd(runs.path(), "sparse", {"stop={env_steps: 20480}", "backend={type: nm_sparse}"});
  const json last = LastLine(runs.path() / "sparse" / "metrics.jsonl");
  ASSERT_TRUE(last.contains("backend/refresh_kl")) << last.dump();
  EXPECT_GE(last["backend/refresh_kl"].get<double>(), 0);
  EXPECT_GT(last["backend/flip_rate"].get<double>(), 0);
  EXPECT_EQ(last["backend/dense"].get<double>(), 0);
}

// Dictionary observations, masks, tuple actions, memory, and agents of two policies that come and
// go.
TEST(Run, LearnsEverythingAtOnce) {
  const TemporaryDirectory runs;
  const std::string file = MILLRACE_SOURCE_DIR "/configs/assortment_lstm.yaml";
  const json summary = RunToEnd(runs.path(), "all", {"stop={env_steps: 102400}"}, 0, file);
  EXPECT_EQ(summary["status"], "reached_limit");
  EXPECT_EQ(summary["streams"].size(), 2u);
  ExpectExactAccounting(summary);
  ExpectNothingLeft(runs.path() / "all");
  // 16 steps of at most 1; 4 doors, 3 keys, some of them masked, and the rope left alone pay
  // about 6.
  const CommandOutput eval =
      RunMillrace({"eval", (runs.path() / "all").string(), "--episodes", "50"});
  ASSERT_EQ(eval.exit_code, 0) << eval.err;
  EXPECT_GE(json::parse(eval.out)["policies"]["host"]["return_mean"].get<double>(), 8) << eval.out;
}

// Actors do not link LibTorch, so that many fit on one host.
TEST(Run, AHundredActorsFitOnThisMachine) {
  const TemporaryDirectory runs;
  const fs::path directory = runs.path() / "many";
  LiveRun run("run",
              Arguments(runs.path(), "many",
                        {"stop={env_steps: 100000000}",
                         "workers.actor={count: 100, environments: 2, groups: 1}",
                         "workers.trainer={batch_env_steps: 6400, unroll: 32}"}),
              directory);
  EXPECT_TRUE(run.Until([&] {
    size_t producing = 0;
    for (const auto& [name, path] : ListLedgers(directory / "ledger")) {
      const auto ledger = Ledger::Read(path);
      if (name.role != "actor" || !ledger.ok() || ledger->lanes.empty()) continue;
      producing += ledger->lanes.front().committed > 0 ? 1 : 0;
    }
    return producing == 100;
  }));
  run.Signal(SIGINT);
  EXPECT_EQ(run.Wait(seconds(20)), 5);
  const json summary = ReadJson(directory / "summary.json");
  EXPECT_EQ(summary["pids_by_role"]["actor"].size(), 100u);
  EXPECT_LT(summary["peak_rss_bytes_by_role"]["actor"].get<uint64_t>(), 25u << 20);
  ExpectExactAccounting(summary);
  ExpectNothingLeft(directory);
}

TEST(Run, BeginsWithTheWeightsOfAnother) {
  const TemporaryDirectory runs;
  RunToEnd(runs.path(), "first", {"stop={env_steps: 8192}"});
  const fs::path run = runs.path() / "second";
  RunToEnd(runs.path(), "second",
           {"stop={env_steps: 2048}", "policies.default.init_from=first", "seed=2"});
  const std::string first = Weights(runs.path() / "first");
  EXPECT_TRUE(ReadText(run / "checkpoints" / "0" / "model.safetensors") == first);
  EXPECT_FALSE(Weights(run) == first);
  EXPECT_THAT(ReadText(run / "config.yaml"), testing::HasSubstr("init_from: "));
  // A sparse policy keeps the largest of its weights, not those of its own random beginning.
  RunToEnd(runs.path(), "sparse",
           {"stop={env_steps: 2048}", "policies.default.init_from=first", "seed=2",
            "backend={type: nm_sparse, refresh: never}"});
  const std::string sparse =
      ReadText(runs.path() / "sparse" / "checkpoints" / "0" / "model.safetensors");
  const auto floats = [](const std::string& file) {
    const Safetensors tensors = DecodeSafetensors(file).value();
    const auto& bytes = tensors.Find("default.actor.1.weight")->bytes;
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  };
  const std::vector<float> kept = floats(sparse), all = floats(first);
  ASSERT_EQ(kept.size(), all.size());
  EXPECT_EQ(std::ranges::count_if(kept, [](float w) { return w != 0; }) * 4, std::ssize(kept));
  for (size_t i = 0; i < kept.size(); ++i) EXPECT_TRUE(kept[i] == 0 || kept[i] == all[i]);
  // From now on it needs no other run.
  fs::remove_all(runs.path() / "first");
  const CommandOutput resumed = RunMillrace(
      {"resume", run.string(), "--progress", "none", "--set", "stop={env_steps: 4096}"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
}

TEST(Run, BeginsWithPartOfTheWeightsOfAnotherPolicy) {
  const TemporaryDirectory runs;
  RunToEnd(runs.path(), "first", {"stop={env_steps: 4096}"}, 0,
           MILLRACE_SOURCE_DIR "/configs/two_agent_cartpole.yaml");
  const std::string from =
      "policies.default={init_from: first, init_policy: right, init_except: [\".*head.*\", "
      "\"value_.*\"], model: {type: mlp, hidden: [64, 64], activation: tanh}}";
  RunToEnd(runs.path(), "second", {"stop={env_steps: 2048}", from});
  const std::string source = Weights(runs.path() / "first");
  const std::string begun =
      ReadText(runs.path() / "second" / "checkpoints" / "0" / "model.safetensors");
  const Safetensors theirs = DecodeSafetensors(source).value();
  const Safetensors ours = DecodeSafetensors(begun).value();
  int taken = 0;
  for (const NamedTensor& tensor : ours.tensors) {
    const std::string name = tensor.name.substr(std::string("default.").size());
    const NamedTensor* other = theirs.Find("right." + name);
    ASSERT_NE(other, nullptr) << name;
    const bool anew = name.find("head.weight") != std::string::npos;
    const bool equal = std::ranges::equal(tensor.bytes, other->bytes);
    if (anew) {
      EXPECT_FALSE(equal) << name;
    }
    if (name.starts_with("actor.")) {
      EXPECT_TRUE(equal) << name;
    }
    taken += equal ? 1 : 0;
  }
  EXPECT_GE(taken, 4);
  const CommandOutput output =
      RunMillrace({"run", kCartPole, "--runs-dir", runs.path().string(), "--set",
                   "policies.default={init_from: first, init_policy: rigt}"});
  EXPECT_EQ(output.exit_code, 2);
  EXPECT_THAT(output.err, testing::HasSubstr("policies.default.init_from: expected "
                                             "init_policy to be one of that run's (left, right), "
                                             "got \"rigt\"; did you mean \"right\""));
  const CommandOutput none =
      RunMillrace({"run", kCartPole, "--runs-dir", runs.path().string(), "--set",
                   "policies.default={init_from: first, init_policy: right, init_except: [head], "
                   "model: {type: mlp, hidden: [64, 64], activation: tanh}}"});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.err, testing::HasSubstr("expected init_except to match a whole name among"));
}

TEST(BadInput, IsOneLineWithPlaceAndExitCode) {
  const TemporaryDirectory directory;
  const auto write = [&](const std::string& text) {
    const fs::path file = directory.path() / "bad.yaml";
    std::ofstream(file) << text;
    return file.string();
  };
  const std::string good = "version: 1\nenvironment: {type: cartpole}\nalgorithm: {type: ppo}\n";
  const std::string plugins = MILLRACE_PLUGIN_DIR;
  const std::string two_agents =
      "environment: {type: two_agent_cartpole}\nalgorithm: {type: ppo}\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {good + "workrs: {}\n", "bad.yaml:4.*workrs.*did you mean \"workers\""},
      {good + "seed: many\n", "bad.yaml:4.*seed"},
      {"version: 1\nenvironment: {type: cartpol}\nalgorithm: {type: ppo}\n",
       "bad.yaml:2.*cartpol.*cartpole"},
      {"version: 1\nenvironment: {type: cartpole}\nalgorithm: {type: pp}\n", "bad.yaml:3.*pp.*ppo"},
      {"version: 1\nenvironment: {type: cartpole, velocty: true}\nalgorithm: {type: ppo}\n",
       "bad.yaml:2.*velocty.*velocity"},
      {good + "policies: {default: {model: {type: mpl}}}\n", "bad.yaml:4.*mpl.*mlp"},
      {two_agents + "agents: [{match: agent_0, policy: default}]\n", "agent_1"},
      {good + "policies: {default: {init_from: no-such-run}}\n",
       "bad.yaml:4.*init_from.*no-such-run"},
      {good + "backend: {type: nm_sparse, dense_until: 0.1}\n",
       "bad.yaml:4.*dense_until.*stop.env_steps"},
      {good + "plugins: [libnothing.so]\n", "libnothing.so"},
      {good + "plugins: [" + plugins + "/other_version.so]\n", "other_version.so.*Millrace.*9.9.9"},
      {good + "plugins: [" + plugins + "/other_compiler.so]\n", "other_compiler.so.*libc\\+\\+-99"},
  };
  for (const auto& [text, expected] : cases) {
    // `run` says the same as `validate` and starts nothing.
    for (const std::string command : {"validate", "run"}) {
      std::vector<std::string> arguments = {command, write(text)};
      if (command == "run")
        arguments.insert(arguments.end(), {"--runs-dir", directory.path().string()});
      const CommandOutput output = RunMillrace(arguments);
      EXPECT_EQ(output.exit_code, 2) << command << " " << text << output.err;
      EXPECT_THAT(output.err, testing::ContainsRegex(expected));
      EXPECT_EQ(std::count(output.err.begin(), output.err.end(), '\n'), 1) << output.err;
    }
  }
}

TEST(BadInput, AMissingFileIsNamed) {
  const CommandOutput output = RunMillrace({"run", "nothing.yaml"});
  EXPECT_EQ(output.exit_code, 2);
  EXPECT_EQ(output.err, "millrace: nothing.yaml: expected a file, got none\n");
}

// What only the trainer can find out ends the run with the trainer's message.
TEST(BadInput, AnUnknownAlgorithmEndsTheRunWithItsPlace) {
  const TemporaryDirectory runs;
  const CommandOutput output = RunMillrace({"run", kCartPole, "--runs-dir", runs.path().string(),
                                            "--progress", "none", "--set", "algorithm={type: pp}"});
  EXPECT_EQ(output.exit_code, 2) << output.err;
  EXPECT_THAT(output.err, testing::ContainsRegex("--set algorithm.*\"pp\".*\"ppo\""));
  EXPECT_EQ(std::count(output.err.begin(), output.err.end(), '\n'), 1) << output.err;
}

TEST(BadInput, APortInUseEndsTheRun) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{
      .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t size = sizeof(address);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const TemporaryDirectory runs;
  const std::string port = std::to_string(ntohs(address.sin_port));
  const CommandOutput output =
      RunMillrace({"run", kCartPole, "--name", "port", "--runs-dir", runs.path().string(),
                   "--progress", "none", "--set", "cluster.controller_port=" + port});
  ::close(listener);
  EXPECT_EQ(output.exit_code, 4) << output.err;
  EXPECT_EQ(output.err,
            "millrace: cluster.controller_port: expected a free port of 127.0.0.1, got " + port +
                ", which is in use or not allowed; 0 takes any\n");
  EXPECT_EQ(ReadJson(runs.path() / "port" / "summary.json")["status"], "failed");
  ExpectNothingLeft(runs.path() / "port");
}

TEST(BadInput, ADeviceThatIsNotThereIsAMissingResource) {
  const CommandOutput output =
      RunMillrace({"run", kCartPole, "--set", "workers.trainer.device=cuda:0"});
  EXPECT_EQ(output.exit_code, 4);
  EXPECT_THAT(output.err, testing::HasSubstr("workers.trainer.device"));
}

}  // namespace
}  // namespace millrace
