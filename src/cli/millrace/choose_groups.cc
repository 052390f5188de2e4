#include "cli/millrace/choose_groups.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "cli/common/acting.h"
#include "cli/common/bench_row.h"
#include "cli/common/evaluate_command.h"
#include "core/doorbell.h"
#include "env/env_cli.h"
#include "millrace/core/status.h"
#include "workers/common/agent_assignment.h"
#include "workers/policy/policy_service.h"

namespace millrace {
namespace {

using Microseconds = std::chrono::duration<double, std::micro>;

constexpr auto kStepTime = std::chrono::milliseconds(40);
constexpr int kMostGroups = 64;

Microseconds MedianOf(std::vector<double> times) { return Microseconds(Median(std::move(times))); }

// One step of `environments` environments.
absl::StatusOr<Microseconds> TimeStep(const ExperimentConfig& config, const Registry& registry,
                                      int environments) {
  std::vector<std::unique_ptr<VectorEnvironment>> group;
  MILLRACE_ASSIGN_OR_RETURN(
      group.emplace_back(),
      registry.MakeVectorEnvironment(config.environment.type, config.environment.options,
                                     environments, config.environment.where));
  MILLRACE_ASSIGN_OR_RETURN(const EnvBenchResult result, BenchEnvironment(group, kStepTime));
  return Microseconds(1e6 * environments / result.steps_per_second());
}

// From a ring to the other's ring, both asleep in between.
Microseconds TimeWakeUps() {
  constexpr uint32_t kRounds = 200;
  Doorbell there, back;
  const std::jthread other([&] {
    for (uint32_t round = 0; round < kRounds; ++round) {
      there.Wait(round, After(std::chrono::seconds(1)));
      back.Ring();
    }
  });
  std::vector<double> times;
  for (uint32_t round = 0; round < kRounds; ++round) {
    const Clock::time_point start = Clock::now();
    there.Ring();
    back.Wait(round, After(std::chrono::seconds(1)));
    times.push_back(Microseconds(Clock::now() - start).count());
  }
  return MedianOf(std::move(times));
}

// A forward pass over `rows` observations, with sampling.
absl::StatusOr<Microseconds> TimeForward(const PolicyConfig& policy, const PolicyAgents& agents,
                                         int rows) {
  constexpr int kCalls = 20;
  MILLRACE_ASSIGN_OR_RETURN(auto model, MakeNativeInferenceModel(policy, agents));
  Acting acting(std::move(model), agents.observation, rows);
  std::vector<double> times;
  for (int call = 0; call < kCalls; ++call) {
    const Clock::time_point start = Clock::now();
    MILLRACE_RETURN_IF_ERROR(acting.Act());
    times.push_back(Microseconds(Clock::now() - start).count());
  }
  return MedianOf(std::move(times));
}

// Of one request, or of as many as the actors have under way at a time.
absl::StatusOr<Microseconds> TimeReply(const ExperimentConfig& config,
                                       const AgentAssignment& assignment, int environments) {
  Microseconds time = TimeWakeUps();
  for (const PolicyAgents& agents : assignment.policies) {
    const int rows =
        std::min(config.policy_worker.max_batch, environments * agents.agents * config.actor.count);
    const auto policy = std::ranges::find(config.policies, agents.policy, &PolicyConfig::name);
    MILLRACE_ASSIGN_OR_RETURN(const Microseconds forward,
                              TimeForward(*policy, agents, std::max(1, rows)));
    time += forward;
  }
  return time;
}

// Numbers that the file allows, ascending.
absl::StatusOr<std::vector<int>> Candidates(const std::string& file,
                                            const std::vector<Override>& overrides,
                                            const ExperimentConfig& config) {
  std::vector<int> candidates;
  absl::Status first_problem;
  for (int groups = 1; groups <= std::min(kMostGroups, config.actor.environments); ++groups) {
    if (config.actor.environments % groups != 0) continue;
    std::vector<Override> with = overrides;
    MILLRACE_ASSIGN_OR_RETURN(const auto set,
                              ParseOverrides({fmt::format("workers.actor.groups={}", groups)}));
    with.insert(with.end(), set.begin(), set.end());
    const absl::Status status = LoadExperiment(file, with).status();
    if (status.ok()) candidates.push_back(groups);
    first_problem.Update(status);
  }
  if (candidates.empty()) return first_problem;
  return candidates;
}

}  // namespace

absl::StatusOr<GroupChoice> ChooseGroups(const std::string& file,
                                         const std::vector<Override>& overrides,
                                         const ExperimentConfig& config, const Registry& registry) {
  MILLRACE_ASSIGN_OR_RETURN(const auto candidates, Candidates(file, overrides, config));
  if (config.actor.inference == InferenceMode::kInline) {
    return GroupChoice{candidates.front(), "inference is inline, there is nothing to hide"};
  }
  const auto two = std::ranges::lower_bound(candidates, 2);
  const int least = two == candidates.end() ? candidates.back() : *two;
  if (!HasNativeModels(config)) {
    return GroupChoice{least, "a module of LibTorch's cannot be timed here"};
  }
  MILLRACE_ASSIGN_OR_RETURN(const AgentAssignment assignment, AssignAgents(registry, config));
  std::string why;
  for (const int groups : candidates) {
    if (groups < least) continue;
    const int environments = config.actor.environments / groups;
    MILLRACE_ASSIGN_OR_RETURN(const Microseconds step, TimeStep(config, registry, environments));
    MILLRACE_ASSIGN_OR_RETURN(const Microseconds reply,
                              TimeReply(config, assignment, environments));
    const std::string times = fmt::format("{} environments step in {:.1f} us, a reply takes {:.1f}",
                                          environments, step.count(), reply.count());
    if ((groups - 1) * step >= reply) return GroupChoice{groups, times};
    if (why.empty()) why = times + ": too little to hide it with any number";
  }
  return GroupChoice{least, why};
}

}  // namespace millrace
