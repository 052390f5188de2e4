// The fields every sample segment has (see millrace/algorithms/algorithm.h for their meaning).
#pragma once

#include <vector>

#include "millrace/data/schema.h"
#include "workers/common/agent_assignment.h"

namespace millrace {

// In schema order; `state_size` > 0 adds the recurrent state of the chunk starts.
std::vector<Field> StandardSampleFields(const PolicyAgents& agents, int64_t state_size);

// Whether the actor fills this field by itself.
bool IsStandardSampleField(const Field& field, const PolicyAgents& agents);

}  // namespace millrace
