// Which policy drives which agent of the environment.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "config/experiment.h"
#include "millrace/env/environment.h"
#include "millrace/env/vector_environment.h"
#include "millrace/registry/registry.h"

namespace millrace {

struct PolicyAgents {
  std::string policy;
  int agents = 0;               // A: rows per environment
  ObservationSpec observation;  // of every agent of this policy
  ActionSpec action;
  std::vector<Field> labels = {};  // of a dataset, whose samples take the place of agents
  std::vector<int> teams = {};     // with a league: of each agent, from 0; -1: in none
};

struct AgentAssignment {
  AgentPolicies agent_policies;        // per agent of the environment: index into `policies`
  std::vector<PolicyAgents> policies;  // in the order of the experiment's policies (sorted by name)
};

// What a run reports of its episodes, in this order: the environment's statistics, then
// kLeagueWinRate if a policy has a league.
std::vector<std::string> StatisticNames(const EnvironmentSpec& spec,
                                        const ExperimentConfig& config);
inline constexpr char kLeagueWinRate[] = "league_win_rate";

// kInvalidArgument if an agent matches no entry, a policy drives no agent, agents of one policy see
// or do different things, or a league has a team without agents or nobody to train.
absl::StatusOr<AgentAssignment> AssignAgents(const EnvironmentSpec& spec,
                                             const ExperimentConfig& config);

// As above, for the experiment's environment or dataset; the status of making it.
absl::StatusOr<AgentAssignment> AssignAgents(const Registry& registry,
                                             const ExperimentConfig& config);

}  // namespace millrace
