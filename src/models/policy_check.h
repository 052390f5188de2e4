// Whether a user's module keeps to the interface, before anything depends on it.
#pragma once

#include "absl/status/status.h"
#include "millrace/data/spaces.h"
#include "millrace/models/policy.h"

namespace millrace {

// Runs `policy` once on a few rows of zeros, as when it acts, and compares shape and dtype of what
// it returns with the action spec. kInvalidArgument names the first output that does not fit;
// kInternal if the module throws.
absl::Status CheckPolicyOutputs(Policy& policy, const ObservationSpec& observation,
                                const ActionSpec& action);

}  // namespace millrace
