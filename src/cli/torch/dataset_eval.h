// `millrace eval` of a run that learns from a dataset.
#pragma once

#include "absl/status/status.h"
#include "cli/common/evaluate_command.h"
#include "millrace/registry/torch_registry.h"

namespace millrace {

// Scores held-out samples with a checkpoint's weights and prints auc, log_loss, normalized_entropy
// (clicks/click_metrics.h), calibration, samples and train_steps. kNotFound if there is no such
// checkpoint.
absl::Status RunDatasetEval(const EvalArguments& arguments, ExperimentConfig config,
                            const RunPaths& paths, const TorchRegistry& registry);

}  // namespace millrace
