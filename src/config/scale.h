// `workers.scale`: the same experiment with more of everything.
#pragma once

#include "config/experiment.h"
#include "config/section.h"

namespace millrace {

// Multiplies the counts of workers, and what they take together by as much, so that every trainer
// does the work of scale 1: `workers.trainer.batch_env_steps`, `streams.sample.capacity` and, if it
// is written, `algorithm.minibatch`. Adds a problem if that is too much; nothing else that was
// checked before can become wrong.
void ApplyScale(int scale, ExperimentConfig& config, Problems& problems);

}  // namespace millrace
