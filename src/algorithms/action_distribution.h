// Log-probability and entropy of actions with several discrete and continuous components, as
// differentiable functions of the policy's outputs. The native counterpart, with the same
// conventions, is inference/action_probability.h.
#pragma once

#include "millrace/data/spaces.h"
#include "millrace/models/policy.h"

namespace millrace {

struct ActionTerms {
  torch::Tensor log_prob;  // [...]: sum over components
  torch::Tensor entropy;   // [...]: sum over components, in nats
};

// Heads [..., C] of a softmax per discrete component and a diagonal Gaussian; the actions are taken
// from `batch` (action/discrete, action/continuous), with the same leading dimensions. Masked
// choices, at -1e9, add nothing. Thread-safe: no state.
ActionTerms EvaluateActions(const ActionSpec& action, const HeadOutputs& heads,
                            const TensorDict& batch);

}  // namespace millrace
