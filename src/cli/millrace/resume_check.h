// What a run that goes on must have as it was.
#pragma once

#include "absl/status/status.h"
#include "config/experiment.h"
#include "core/run_paths.h"

namespace millrace {

// kInvalidArgument: the place of the setting of `config` that the run at `paths` cannot go on with.
absl::Status CheckResume(const RunPaths& paths, const ExperimentConfig& config);

}  // namespace millrace
