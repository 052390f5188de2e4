#include "workers/common/agent_assignment.h"

#include <spdlog/fmt/fmt.h>

#include <regex>

namespace millrace {
namespace {

absl::StatusOr<int> PolicyOf(const std::string& agent, const ExperimentConfig& config) {
  for (const AgentMatch& entry : config.agents) {
    if (!std::regex_match(agent, std::regex(entry.match))) continue;
    for (size_t p = 0; p < config.policies.size(); ++p) {
      if (config.policies[p].name == entry.policy) return static_cast<int>(p);
    }
  }
  return absl::InvalidArgumentError(
      fmt::format("agents: no entry matches the environment's agent \"{}\"", agent));
}

}  // namespace

absl::StatusOr<AgentAssignment> AssignAgents(const EnvironmentSpec& spec,
                                             const ExperimentConfig& config) {
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
          "agents: policy \"{}\" drives agents with different spaces (agent \"{}\" differs)",
          policy.policy, agent.name));
    }
  }
  for (const PolicyAgents& policy : assignment.policies) {
    if (policy.agents == 0) {
      return absl::InvalidArgumentError(
          fmt::format("policies: \"{}\" drives no agent of environment \"{}\"", policy.policy,
                      config.environment.type));
    }
  }
  return assignment;
}

}  // namespace millrace
