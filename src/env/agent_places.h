// Where each agent's rows lie in the policies' memory.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/env/vector_environment.h"

namespace millrace {

// One agent of the environment. Value type.
struct AgentPlace {
  size_t policy = 0;
  size_t index = 0;  // among the agents of its policy
  size_t agents_of_policy = 1;
  size_t num_discrete = 0;
  size_t continuous_size = 0;
  std::vector<size_t> field_bytes;  // of one row, per observation field
  int mask_field = -1;              // the index of "action_mask", or -1

  size_t Row(size_t environment) const { return environment * agents_of_policy + index; }
};

// One place per agent of `spec`, in order. kInvalidArgument if `agents` has another length, names a
// policy that is not there or gives agents with different specs to one policy; also if the rows of
// a policy are not `count` x its agents, or lack fields.
absl::StatusOr<std::vector<AgentPlace>> PlaceAgents(const EnvironmentSpec& spec, int count,
                                                    const AgentPolicies& agents,
                                                    std::span<const PolicyRows> policies);

// Nothing was paid and nothing ended: what Reset writes besides the observation and who is there.
void ClearStepOutputs(const PolicyRows& rows);

}  // namespace millrace
