// Proximal policy optimisation: Schulman et al. 2017 (arXiv:1707.06347).
#pragma once

#include "millrace/algorithms/algorithm.h"

namespace millrace {

// Options (defaults): gamma (0.99), gae_lambda (0.95), clip (0.2), value_coefficient (0.5),
// entropy_coefficient (0), epochs (4), minibatch (1024 agent steps over all ranks; 0 = the whole
// batch), chunk (16, recurrent models), learning_rate (3e-4), schedule (constant | linear),
// max_gradient_norm (0.5; 0 = off), adam_epsilon (1e-5), and
//   normalize_advantage (true): to mean 0 and deviation 1 over the present steps of the batch, on
//     each rank by itself
//   value_clip (0 = off): in the units of the value head, so for models that do not normalise
//   values target_kl (0 = off): no further minibatches of a batch once the approximate KL
//   divergence from
//     the behaviour policy exceeds it
// kInvalidArgument with the place and the nearest name.
absl::StatusOr<std::unique_ptr<Algorithm>> MakePpo(const Options& options,
                                                   const ActionSpec& action);

}  // namespace millrace
