#include "workers/common/agent_assignment.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

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

// The team of each agent of a policy.
absl::StatusOr<std::vector<int>> TeamsOf(const PolicyConfig& policy,
                                         const std::vector<std::string>& agents,
                                         bool drives_all_agents, const ExperimentConfig& config) {
  std::vector<std::string> patterns = policy.league->teams;
  if (patterns.empty()) patterns = {".*"};
  const std::string key = "policies." + policy.name + ".league.teams";
  std::vector<int> teams(agents.size(), -1);
  for (size_t team = 0; team < patterns.size(); ++team) {
    const std::regex pattern(patterns[team]);
    for (size_t agent = 0; agent < agents.size(); ++agent) {
      if (teams[agent] < 0 && std::regex_match(agents[agent], pattern)) {
        teams[agent] = static_cast<int>(team);
      }
    }
    if (std::ranges::count(teams, static_cast<int>(team)) == 0) {
      return absl::InvalidArgumentError(fmt::format(
          "{}: expected expressions that match agents of policy \"{}\" ({}), got \"{}\"{}",
          config.Subject(key), policy.name, fmt::join(agents, ", "), patterns[team],
          DidYouMean(patterns[team], agents)));
    }
  }
  const bool one_team = std::ranges::count(teams, 0) == std::ssize(teams);
  if (one_team && policy.league->share == 1) {
    return absl::InvalidArgumentError(fmt::format(
        "{}: expected a number below 1, because a past version plays all agents of policy \"{}\" "
        "at once and some episodes must be left to train it, got 1",
        config.Subject("policies." + policy.name + ".league.share"), policy.name));
  }
  if (drives_all_agents && one_team) {
    return absl::InvalidArgumentError(fmt::format(
        "{}: expected two teams, because policy \"{}\" drives all agents and the newest version "
        "must play against a past one, got one",
        config.Subject(key), policy.name));
  }
  return teams;
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

std::vector<std::string> StatisticNames(const EnvironmentSpec& spec,
                                        const ExperimentConfig& config) {
  std::vector<std::string> names = spec.statistics;
  const bool league = std::ranges::any_of(
      config.policies, [](const PolicyConfig& policy) { return policy.league.has_value(); });
  if (league) names.push_back(kLeagueWinRate);
  return names;
}

absl::StatusOr<AgentAssignment> AssignAgents(const EnvironmentSpec& spec,
                                             const ExperimentConfig& config) {
  MILLRACE_RETURN_IF_ERROR(CheckStatistics(StatisticNames(spec, config), config));
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
  for (size_t p = 0; p < assignment.policies.size(); ++p) {
    PolicyAgents& policy = assignment.policies[p];
    if (policy.agents == 0) {
      return absl::InvalidArgumentError(fmt::format(
          "{}: expected an agent of environment \"{}\" that `agents` gives this policy, "
          "got none",
          config.Subject("policies." + policy.policy), config.environment.type));
    }
    if (!config.policies[p].league.has_value()) continue;
    std::vector<std::string> names;
    for (size_t agent = 0; agent < spec.agents.size(); ++agent) {
      if (assignment.agent_policies[agent] == static_cast<int>(p)) {
        names.push_back(spec.agents[agent].name);
      }
    }
    MILLRACE_ASSIGN_OR_RETURN(policy.teams, TeamsOf(config.policies[p], names,
                                                    names.size() == spec.agents.size(), config));
  }
  return assignment;
}

absl::StatusOr<AgentAssignment> AssignAgents(const Registry& registry,
                                             const ExperimentConfig& config) {
  if (config.reads_dataset()) {
    MILLRACE_ASSIGN_OR_RETURN(const auto dataset,
                              registry.MakeDataset(config.dataset.type, config.dataset.options,
                                                   DatasetSplit::kTrain, config.dataset.where));
    AgentAssignment assignment;
    assignment.policies.push_back({.policy = config.policies.front().name,
                                   .agents = 1,
                                   .observation = dataset->spec().observation,
                                   .action = {},
                                   .labels = dataset->spec().labels});
    return assignment;
  }
  MILLRACE_ASSIGN_OR_RETURN(
      const auto environment,
      registry.MakeEnvironment(config.environment.type, config.environment.options,
                               config.environment.where));
  return AssignAgents(environment->spec(), config);
}

}  // namespace millrace
