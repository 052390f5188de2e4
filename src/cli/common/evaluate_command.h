// `eval`, shared by millrace (built-in models) and millrace-torch (a user's own).
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "checkpoint/checkpoint_store.h"
#include "config/experiment.h"
#include "core/run_paths.h"
#include "millrace/registry/registry.h"
#include "workers/policy/policy_service.h"

namespace millrace {

// Of every command that plays with a frozen policy.
struct FrozenPolicyArguments {
  std::string run;
  std::string checkpoint = "latest";  // or a train step
  bool sample = false;
  uint64_t seed = 1000003;
};

void AddFrozenPolicyOptions(CLI::App& command, FrozenPolicyArguments& arguments);
// The command line that says the same to `command`.
std::vector<std::string> CommandLine(const std::string& command,
                                     const FrozenPolicyArguments& arguments);

struct EvalArguments : FrozenPolicyArguments {
  int episodes = 100;
  int64_t samples = 200'000;  // of a dataset, held out
  std::string json;           // file, "-" for JSON alone on standard output, empty for none
};

void AddOptions(CLI::App& command, EvalArguments& arguments);
// The command line that says the same.
std::vector<std::string> CommandLine(const EvalArguments& arguments);

// Plays and prints; kNotFound if there is no such run or checkpoint.
absl::Status RunEval(const EvalArguments& arguments, const ExperimentConfig& config,
                     const RunPaths& paths, const Registry& registry,
                     const InferenceModelFactory& make_model);

// `which`: latest, or a train step. kNotFound if there is none.
absl::StatusOr<Checkpoint> ReadCheckpoint(const RunPaths& paths, const std::string& which);

// Whether every policy's model has a native forward, so that no LibTorch is needed.
bool HasNativeModels(const ExperimentConfig& config);

}  // namespace millrace
