#include "cli/millrace/check_experiment.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>

#include "checkpoint/checkpoint_reference.h"
#include "checkpoint/checkpoint_store.h"
#include "cli/common/load_plugins.h"
#include "cli/millrace/programs.h"
#include "cli/millrace/run_directory.h"
#include "millrace/core/status.h"
#include "workers/common/agent_assignment.h"
#include "workers/common/weights_file.h"

namespace millrace {
namespace {

absl::Status CheckDevice(const ExperimentConfig& config, const std::string& key,
                         const std::string& device) {
  // Which devices there are, the workers find out; whether this LibTorch knows any is known here.
  if (MILLRACE_LIBTORCH_CUDA || !device.starts_with("cuda")) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      fmt::format("{}: expected auto or cpu, got \"{}\": this build computes on the CPU only",
                  config.Subject(key), device));
}

absl::Status ResolveInitialWeightsOf(PolicyConfig& policy, const std::filesystem::path& runs) {
  MILLRACE_ASSIGN_OR_RETURN(const auto from, CheckpointReference::Parse(policy.init_from));
  MILLRACE_ASSIGN_OR_RETURN(const RunPaths run, FindRunDirectory(from.run, runs));
  MILLRACE_ASSIGN_OR_RETURN(const auto store, CheckpointStore::Open(run.checkpoints()));
  const std::vector<uint64_t> steps = store.List();
  if (steps.empty()) return absl::NotFoundError("there is no checkpoint in " + run.root().string());
  const uint64_t step = from.step.value_or(steps.back());
  if (std::find(steps.begin(), steps.end(), step) == steps.end()) {
    return absl::NotFoundError(fmt::format("expected one of the checkpoints {} of {}, got {}",
                                           fmt::join(steps, ", "), run.root().string(), step));
  }
  MILLRACE_ASSIGN_OR_RETURN(const std::string manifest, store.ReadManifestJson(step));
  MILLRACE_RETURN_IF_ERROR(SourcePolicy(policy, manifest).status());
  policy.init_from = fmt::format("{}@{}", run.root().string(), step);
  return absl::OkStatus();
}

}  // namespace

absl::Status ResolveInitialWeights(const std::filesystem::path& runs, ExperimentConfig& config) {
  for (PolicyConfig& policy : config.policies) {
    if (policy.init_from.empty()) continue;
    const absl::Status status = ResolveInitialWeightsOf(policy, runs);
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          fmt::format("{}: {}", config.Subject("policies." + policy.name + ".init_from"),
                      std::string(status.message())));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckWithoutTorch(const ExperimentConfig& config, Registry& registry) {
  MILLRACE_RETURN_IF_ERROR(
      CheckDevice(config, "workers.policy.device", config.policy_worker.device));
  MILLRACE_RETURN_IF_ERROR(CheckDevice(config, "workers.trainer.device", config.trainer.device));
  MILLRACE_RETURN_IF_ERROR(LoadPlugins(config, registry));
  return AssignAgents(registry, config).status();
}

absl::StatusOr<int> CheckWithTorch(const std::string& file,
                                   const std::vector<std::string>& overrides) {
  std::vector<std::string> arguments = {"validate", file};
  for (const std::string& set : overrides) arguments.insert(arguments.end(), {"--set", set});
  return RunTorch(arguments);
}

}  // namespace millrace
