#include "workers/common/agent_assignment.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <regex>

#include "millrace/core/nearest_name.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

absl::StatusOr<int> PolicyOf(const std::string& agent, const ExperimentConfig& config) {
  for (const AgentMatch& entry : config.agents) {
    if (!std::regex_match(agent, std::regex(entry.match))) continue;
    for (size_t p = 0; p < config.policies.size(); ++p) {
      if (config.policies[p].name == entry.policy) return static_cast<int>(p);
    }
  }
  return absl::InvalidArgumentError(fmt::format(
      "{}: expected an entry whose `match` fits the environment's agent \"{}\", got none",
      config.Subject("agents"), agent));
}

// That the environment has the statistics which the experiment's report asks for.
absl::Status CheckStatistics(const std::vector<std::string>& known,
                             const ExperimentConfig& config) {
  std::vector<std::pair<std::string, std::string>> asked;  // key, statistic
  for (const std::string& name : config.report.statistics) {
    asked.emplace_back("report.statistics", name);
  }
  for (size_t i = 0; i < config.report.stages.size(); ++i) {
    const StageConfig& stage = config.report.stages[i];
    for (const auto* thresholds : {&stage.above, &stage.below}) {
      for (const auto& [name, value] : *thresholds) {
        asked.emplace_back(fmt::format("report.stages[{}]", i), name);
      }
    }
  }
  for (const auto& [key, name] : asked) {
    if (std::ranges::count(known, name) > 0) continue;
    return absl::InvalidArgumentError(
        fmt::format("{}: expected a statistic of environment \"{}\", got \"{}\"{}",
                    config.Subject(key), config.environment.type, name, DidYouMean(name, known)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AgentAssignment> AssignAgents(const EnvironmentSpec& spec,
                                             const ExperimentConfig& config) {
  MILLRACE_RETURN_IF_ERROR(CheckStatistics(spec.statistics, config));
  AgentAssignment assignment;
  for (const PolicyConfig& policy : config.policies) {
    assignment.policies.push_back({.policy = policy.name, .observation = {}, .action = {}});
  }
  for (const AgentSpec& agent : spec.agents) {
    const auto index = PolicyOf(agent.name, config);
    if (!index.ok()) return index.status();
    assignment.agent_policies.push_back(*index);
    PolicyAgents& policy = assignment.policies[static_cast<size_t>(*index)];
    if (policy.agents++ == 0) {
      policy.observation = agent.observation;
      policy.action = agent.action;
    } else if (policy.observation != agent.observation || policy.action != agent.action) {
      return absl::InvalidArgumentError(fmt::format(
          "{}: expected agents with the same observations and actions for policy \"{}\", "
          "got \"{}\", which differs from the ones before it",
          config.Subject("agents"), policy.policy, agent.name));
    }
  }
  for (const PolicyAgents& policy : assignment.policies) {
    if (policy.agents == 0) {
      return absl::InvalidArgumentError(fmt::format(
          "{}: expected an agent of environment \"{}\" that `agents` gives this policy, "
          "got none",
          config.Subject("policies." + policy.policy), config.environment.type));
    }
  }
  return assignment;
}

absl::StatusOr<AgentAssignment> AssignAgents(const Registry& registry,
                                             const ExperimentConfig& config) {
  MILLRACE_ASSIGN_OR_RETURN(
      const auto environment,
      registry.MakeEnvironment(config.environment.type, config.environment.options,
                               config.environment.where));
  return AssignAgents(environment->spec(), config);
}

}  // namespace millrace
