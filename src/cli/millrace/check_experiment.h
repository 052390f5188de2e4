// What `validate`, `run` and `resume` check beyond the file itself.
#pragma once

#include <filesystem>

#include "absl/status/status.h"
#include "config/experiment.h"
#include "millrace/registry/registry.h"

namespace millrace {

// The devices are there (kResourceExhausted), plug-ins load, the environment exists and takes its
// options, agents and policies fit together. What needs LibTorch (models, algorithms, backends) is
// checked by millrace-torch.
absl::Status CheckWithoutTorch(const ExperimentConfig& config, Registry& registry);

// Makes every `init_from: RUN[@STEP]` an absolute path with a step, so that the resolved file says
// which weights were taken. RUN is a run directory or a name below `runs`. kInvalidArgument with
// file and line if there is no such checkpoint.
absl::Status ResolveInitialWeights(const std::filesystem::path& runs, ExperimentConfig& config);

// `file` as the user named it, with the overrides; runs `millrace-torch validate`. Returns its exit
// code.
absl::StatusOr<int> CheckWithTorch(const std::string& file,
                                   const std::vector<std::string>& overrides);

}  // namespace millrace
