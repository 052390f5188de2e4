// What an experiment says about credits.
#pragma once

#include <cstdint>

#include "config/experiment.h"
#include "workers/trainer/credit_granter.h"

namespace millrace {

// Of segments of so many environment steps, or samples, for an algorithm with minibatches of
// `minibatch_steps`.
CreditPlan MakeCreditPlan(const ExperimentConfig& config, int64_t segment_steps,
                          int64_t minibatch_steps);

}  // namespace millrace
