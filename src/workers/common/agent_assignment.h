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
};

struct AgentAssignment {
  AgentPolicies agent_policies;        // per agent of the environment: index into `policies`
  std::vector<PolicyAgents> policies;  // in the order of the experiment's policies (sorted by name)
};

// kInvalidArgument if an agent matches no entry, a policy drives no agent, or agents of one policy
// see or do different things.
absl::StatusOr<AgentAssignment> AssignAgents(const EnvironmentSpec& spec,
                                             const ExperimentConfig& config);

// As above, for the experiment's environment; the status of making it.
absl::StatusOr<AgentAssignment> AssignAgents(const Registry& registry,
                                             const ExperimentConfig& config);

}  // namespace millrace
