// IMPALA's actor-critic with V-trace targets: Espeholt et al. 2018 (arXiv:1802.01561).
#pragma once

#include "millrace/algorithms/algorithm.h"

namespace millrace {

// Options (defaults): gamma (0.99), lambda (1), rho_clip (1), c_clip (1), value_coefficient (0.5),
// entropy_coefficient (0.01), epochs (1), minibatch (0 = the whole batch), learning_rate (6e-4),
// schedule (constant | linear), max_gradient_norm (40; 0 = off), adam_epsilon (1e-5).
//
// Trains on whole rows with the learner's own values, so the targets exist only inside Loss():
// there is no value-target key, and models with normalize_value are not supported. Differs from the
// paper in that the loss is the mean over steps, not their sum. kInvalidArgument with the place and
// the nearest name.
absl::StatusOr<std::unique_ptr<Algorithm>> MakeVtrace(const Options& options,
                                                      const ActionSpec& action);

}  // namespace millrace
