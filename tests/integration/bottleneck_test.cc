// Runs whose bottleneck is known by construction, and where their processes' time went.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include "integration/millrace_process.h"

namespace millrace {
namespace {

using nlohmann::json;

json RunWithSettings(const std::string& file, const std::vector<std::string>& settings) {
  const TemporaryDirectory runs;
  std::vector<std::string> arguments = {"run",        file,         "--name",
                                        "bottleneck", "--runs-dir", runs.path().string(),
                                        "--progress", "none"};
  for (const std::string& setting : settings) arguments.insert(arguments.end(), {"--set", setting});
  const CommandOutput output = RunMillrace(arguments);
  EXPECT_EQ(output.exit_code, 0) << output.out << output.err;
  return ReadJson(runs.path() / "bottleneck" / "summary.json");
}

json RunDelayed(const std::vector<std::string>& settings) {
  return RunWithSettings(MILLRACE_DELAYED_PLUGINS "/delayed.yaml", settings);
}

TEST(Bottleneck, IsTheActorIfEnvironmentsAreSlow) {
  const json summary = RunDelayed({"environment.step_us=500", "stop={env_steps: 4096}"});
  EXPECT_THAT(summary["bottleneck"].get<std::string>(), testing::StartsWith("actor: "));
}

TEST(Bottleneck, IsThePolicyIfInferenceIsSlow) {
  const json summary =
      RunDelayed({"policies.default.model.inference_us=10000", "stop={env_steps: 4096}"});
  EXPECT_THAT(summary["bottleneck"].get<std::string>(), testing::StartsWith("policy: "));
}

TEST(Bottleneck, IsTheTrainerIfTrainingIsSlow) {
  const json summary =
      RunDelayed({"policies.default.model.training_us=100000", "stop={env_steps: 6144}"});
  EXPECT_THAT(summary["bottleneck"].get<std::string>(), testing::StartsWith("trainer: "));
}

TEST(Bottleneck, IsTheQueueIfActorsAndTrainersTakeTurns) {
  const json summary =
      RunDelayed({"environment.step_us=100", "policies.default.model.training_us=40000",
                  "workers.trainer.max_policy_lag=0", "stop={env_steps: 8192}"});
  EXPECT_THAT(summary["bottleneck"].get<std::string>(), testing::StartsWith("queue: "));
  // Main threads account for the whole life of their processes, but for the unloading of libraries
  // at their end.
  constexpr double kUnloading = 0.5;
  for (const auto& [role, seconds] : summary["lifetime_seconds_by_role"].items()) {
    if (!summary["profile"].contains(role)) continue;  // the controller does no work of a run
    const double told = summary["profile"][role]["threads"]["main"]["seconds"];
    EXPECT_GE(told + kUnloading, 0.97 * seconds.get<double>()) << role;
    EXPECT_LE(told, 1.01 * seconds.get<double>()) << role;
  }
}

TEST(Bottleneck, IsTheProcessorIfAllShareOneCore) {
  cpu_set_t before, first;
  ASSERT_EQ(::sched_getaffinity(0, sizeof(before), &before), 0);
  CPU_ZERO(&first);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&first) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &first);
  }
  ASSERT_EQ(::sched_setaffinity(0, sizeof(first), &first), 0);
  const json summary =
      RunWithSettings(MILLRACE_SOURCE_DIR "/configs/cartpole_ppo.yaml",
                      {"workers.trainer.max_policy_lag=1", "stop={env_steps: 200000}"});
  ASSERT_EQ(::sched_setaffinity(0, sizeof(before), &before), 0);
  EXPECT_EQ(summary["cores"], 1);
  EXPECT_THAT(summary["bottleneck"].get<std::string>(), testing::StartsWith("cpu: "));
}

}  // namespace
}  // namespace millrace
