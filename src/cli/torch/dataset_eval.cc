#include "cli/torch/dataset_eval.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "cli/common/json_output.h"
#include "clicks/click_metrics.h"
#include "millrace/core/status.h"
#include "models/torch_dtype.h"
#include "workers/trainer/learner.h"
#include "workers/trainer/trainer_checkpoint.h"

namespace millrace {
namespace {

constexpr int64_t kChunk = 4096;  // samples scored at once

// A chunk of samples as a minibatch.
class SampleTensors {
 public:
  SampleTensors(const DatasetSpec& spec, int64_t count) {
    for (const Field& field : SampleFields(spec, Extent::kRows)) {
      auto& shape = shapes_.emplace_back(field.shape);
      shape.insert(shape.begin(), count);
      tensors_[field.name] = torch::empty(shape, ToTorch(field.dtype));
    }
    size_t f = 0;
    for (const Field& field : SampleFields(spec, Extent::kRows)) {
      views_.push_back(
          {field.dtype, shapes_[f++], static_cast<std::byte*>(tensors_[field.name].data_ptr())});
    }
  }

  std::span<const TensorView> views() const { return views_; }
  const TensorDict& tensors() const { return tensors_; }

 private:
  std::vector<std::vector<int64_t>> shapes_;
  std::vector<TensorView> views_;
  TensorDict tensors_;
};

void Append(const torch::Tensor& numbers, std::vector<float>& all) {
  const torch::Tensor flat = numbers.to(torch::kCPU).contiguous();
  all.insert(all.end(), flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel());
}

}  // namespace

absl::Status RunDatasetEval(const EvalArguments& arguments, const ExperimentConfig& config,
                            const RunPaths& paths, const TorchRegistry& registry) {
  MILLRACE_ASSIGN_OR_RETURN(const AgentAssignment assignment, AssignAgents(registry, config));
  MILLRACE_ASSIGN_OR_RETURN(const Learner learner,
                            MakeLearner(registry, config, 0, assignment.policies.front()));
  Backend& backend = *learner.backend;
  MILLRACE_ASSIGN_OR_RETURN(const Checkpoint checkpoint,
                            ReadCheckpoint(paths, arguments.checkpoint));
  MILLRACE_ASSIGN_OR_RETURN(const PolicyPart part,
                            DecodePart(checkpoint, config.policies.front().name, backend.layout()));
  MILLRACE_RETURN_IF_ERROR(backend.LoadWeights(part.weights));
  MILLRACE_RETURN_IF_ERROR(backend.LoadOptimizerState(part.optimizer));
  MILLRACE_ASSIGN_OR_RETURN(const auto dataset,
                            registry.MakeDataset(config.dataset.type, config.dataset.options,
                                                 DatasetSplit::kHeldOut, config.dataset.where));
  const int64_t there = dataset->spec().samples;
  const int64_t samples = there == 0 ? arguments.samples : std::min(arguments.samples, there);
  std::vector<float> told, labels;
  for (int64_t first = 0; first < samples; first += kChunk) {
    const SampleTensors chunk(dataset->spec(), std::min(kChunk, samples - first));
    MILLRACE_RETURN_IF_ERROR(
        ReadRound(*dataset, first, std::min(kChunk, samples - first), chunk.views()));
    MILLRACE_ASSIGN_OR_RETURN(const HeadOutputs heads, backend.Evaluate(chunk.tensors()));
    Append(torch::sigmoid(heads.logits), told);
    Append(chunk.tensors().at(kLabel), labels);
  }
  const auto metrics = clicks::MeasureClicks(told, labels);
  const auto sum = [](const std::vector<float>& numbers) {
    return std::accumulate(numbers.begin(), numbers.end(), 0.0);
  };
  return PrintJson({{"samples", samples},
                    {"auc", metrics.auc},
                    {"log_loss", metrics.log_loss},
                    {"normalized_entropy", metrics.normalized_entropy},
                    {"calibration", sum(told) / std::max(1.0, sum(labels))},
                    {"train_steps", checkpoint.train_steps}},
                   arguments.json);
}

}  // namespace millrace
