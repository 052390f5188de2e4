#include "cli/torch/dataset_eval.h"

#include <algorithm>
#include <vector>

#include "cli/common/json_output.h"
#include "cli/torch/sample_tensors.h"
#include "clicks/click_metrics.h"
#include "millrace/core/status.h"
#include "models/guarded_torch.h"
#include "workers/trainer/learner.h"
#include "workers/trainer/trainer_checkpoint.h"

namespace millrace {
namespace {

constexpr int64_t kChunk = 4096;  // samples scored at once

void Append(const torch::Tensor& numbers, std::vector<float>& all) {
  const torch::Tensor flat = numbers.to(torch::kCPU).contiguous();
  all.insert(all.end(), flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel());
}

// What samples are scored and labelled.
struct Scores {
  std::vector<float> told, labels;
};

absl::StatusOr<Scores> ScoreSamples(Backend& backend, Dataset& dataset, int64_t samples) {
  Scores scores;
  for (int64_t first = 0; first < samples; first += kChunk) {
    const int64_t count = std::min(kChunk, samples - first);
    MILLRACE_ASSIGN_OR_RETURN(const auto chunk, SampleTensors::Read(dataset, first, count));
    MILLRACE_ASSIGN_OR_RETURN(const HeadOutputs heads, backend.Evaluate(chunk.tensors()));
    const auto label = chunk.tensors().find(kLabel);
    if (label == chunk.tensors().end() || label->second.scalar_type() != torch::kFloat32 ||
        !heads.logits.defined() || heads.logits.numel() != label->second.numel()) {
      return absl::InvalidArgumentError(
          "eval: expected a dataset with the float32 label \"label\" and a model with one logit");
    }
    Append(torch::sigmoid(heads.logits), scores.told);
    Append(label->second, scores.labels);
  }
  return scores;
}

absl::Status EvaluateOrThrow(const EvalArguments& arguments, const ExperimentConfig& config,
                             const RunPaths& paths, const TorchRegistry& registry) {
  MILLRACE_ASSIGN_OR_RETURN(const AgentAssignment assignment, AssignAgents(registry, config));
  MILLRACE_ASSIGN_OR_RETURN(const Learner learner,
                            MakeLearner(registry, config, 0, assignment.policies.front()));
  Backend& backend = *learner.backend;
  MILLRACE_ASSIGN_OR_RETURN(const Checkpoint checkpoint,
                            ReadCheckpoint(paths, arguments.checkpoint));
  MILLRACE_ASSIGN_OR_RETURN(const PolicyPart part,
                            DecodePart(checkpoint, config.policies.front().name, backend.layout()));
  MILLRACE_RETURN_IF_ERROR(backend.Shard(/*rank=*/0, /*ranks=*/1));
  MILLRACE_RETURN_IF_ERROR(backend.LoadWeights(part.weights));
  MILLRACE_RETURN_IF_ERROR(backend.LoadOptimizerState(part.optimizer));
  MILLRACE_ASSIGN_OR_RETURN(const auto dataset,
                            registry.MakeDataset(config.dataset.type, config.dataset.options,
                                                 DatasetSplit::kHeldOut, config.dataset.where));
  const int64_t there = dataset->spec().samples;
  const int64_t samples = there == 0 ? arguments.samples : std::min(arguments.samples, there);
  MILLRACE_ASSIGN_OR_RETURN(const Scores scores, ScoreSamples(backend, *dataset, samples));
  const auto metrics = clicks::MeasureClicks(scores.told, scores.labels);
  return PrintJson({{"samples", samples},
                    {"auc", metrics.auc},
                    {"log_loss", metrics.log_loss},
                    {"normalized_entropy", metrics.normalized_entropy},
                    {"calibration", metrics.calibration},
                    {"train_steps", checkpoint.train_steps}},
                   arguments.json);
}

}  // namespace

absl::Status RunDatasetEval(const EvalArguments& arguments, ExperimentConfig config,
                            const RunPaths& paths, const TorchRegistry& registry) {
  config.trainer.device = "cpu";
  return GuardedTorch("eval", [&] { return EvaluateOrThrow(arguments, config, paths, registry); });
}

}  // namespace millrace
