#include "cli/millrace/resume_check.h"

#include <spdlog/fmt/fmt.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "checkpoint/checkpoint_store.h"
#include "data/ledger.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

// Where a run is in its dataset, the number of its batches says.
absl::Status CheckSamePlace(const ExperimentConfig& before, const ExperimentConfig& config) {
  if (!config.reads_dataset()) return absl::OkStatus();
  if (before.trainer.batch_env_steps == config.trainer.batch_env_steps) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "{}: expected {}, as the run has it, or samples would be left out or read twice; got {}",
      config.Subject("workers.trainer.batch_samples"), before.trainer.batch_env_steps,
      config.trainer.batch_env_steps));
}

uint64_t SavedBatches(const std::string& manifest, const std::string& policy) {
  const auto parsed = nlohmann::json::parse(manifest, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return 0;
  const auto policies = parsed.value("policies", nlohmann::json::object());
  return policies.value(policy, nlohmann::json::object()).value("batch", uint64_t{0});
}

// What was trained after the newest checkpoint is rolled back by those who trained it, each its
// share of so many batches: as many trainers as there were, with batches as they were.
absl::Status CheckSameTrainers(const RunPaths& paths, const ExperimentConfig& before,
                               const ExperimentConfig& config) {
  const bool same_count = before.trainer.count == config.trainer.count;
  const bool same_batch = before.trainer.batch_env_steps == config.trainer.batch_env_steps;
  if (same_count && (same_batch || config.trainer.count == 1)) return absl::OkStatus();
  MILLRACE_ASSIGN_OR_RETURN(const auto store, CheckpointStore::Open(paths.checkpoints()));
  const auto steps = store.List();
  if (steps.empty()) return absl::OkStatus();
  MILLRACE_ASSIGN_OR_RETURN(const std::string manifest, store.ReadManifestJson(steps.back()));
  // The newest incarnation of every rank, which has taken over from those before.
  std::map<std::pair<std::string, uint32_t>, uint64_t> trained;  // batches
  for (const auto& [name, path] : ListLedgers(paths.ledger())) {
    const auto ledger = Ledger::Read(path);
    if (!ledger.ok() || !ledger->consumer) continue;
    trained[{ledger->identity.policy, ledger->identity.rank}] = ledger->consumer->batch;
  }
  for (const auto& [trainer, batches] : trained) {
    const uint64_t saved = SavedBatches(manifest, trainer.first);
    if (batches <= saved) continue;
    return absl::InvalidArgumentError(fmt::format(
        "{}: expected {}, as the run has it, because {} batches that follow its newest checkpoint "
        "must be rolled back first; got {}",
        config.Subject(same_count ? "workers.trainer.batch_env_steps" : "workers.trainer.count"),
        same_count ? before.trainer.batch_env_steps : before.trainer.count, batches - saved,
        same_count ? config.trainer.batch_env_steps : config.trainer.count));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckResume(const RunPaths& paths, const ExperimentConfig& config) {
  MILLRACE_ASSIGN_OR_RETURN(const ExperimentConfig before, LoadExperiment(paths.config()));
  MILLRACE_RETURN_IF_ERROR(CheckSamePlace(before, config));
  return CheckSameTrainers(paths, before, config);
}

}  // namespace millrace
