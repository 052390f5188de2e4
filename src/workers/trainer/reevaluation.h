// Samples that were collected under older weights, seen with the present ones.
#pragma once

#include "absl/status/status.h"
#include "millrace/backends/backend.h"

namespace millrace {

// Replaces, in a batch of whole segments on the CPU and without gradient,
//   value  [T+1, B]     by the backend's present values, in reward units
//   state  [C, B, S]    of a recurrent policy by the states that its present weights reach from the
//                       one before the first chunk, which only the actor knew
// What the behaviour policy did (actions, log_prob) stays, and so does truncation_value: the last
// observation of an episode that was cut off is in no segment. Computes some thousand rows at a
// time. May throw what LibTorch throws.
absl::Status Reevaluate(Backend& backend, TensorDict& batch);

}  // namespace millrace
