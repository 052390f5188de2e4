// Making and opening run directories.
#pragma once

#include <filesystem>
#include <string>

#include "absl/status/statusor.h"
#include "config/experiment.h"
#include "core/run_paths.h"

namespace millrace {

// RUNS/NAME with ledger/, logs/, checkpoints/ and the resolved config.yaml. With an empty `name`
// the experiment's name is used, with -2, -3, ... behind it if it is taken. kAlreadyExists if the
// given name is taken.
absl::StatusOr<RunPaths> MakeRunDirectory(const std::filesystem::path& runs,
                                          const std::string& name, ExperimentConfig& config);

// RUN may be a path or a name below runs/. kNotFound names the nearest existing run.
absl::StatusOr<RunPaths> FindRunDirectory(const std::string& run,
                                          const std::filesystem::path& runs = "runs");

// The directory of this binary, where the others lie too. kNotFound if one of them is missing.
absl::StatusOr<std::filesystem::path> BinariesDirectory();

}  // namespace millrace
