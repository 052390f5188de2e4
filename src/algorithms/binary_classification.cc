#include "algorithms/binary_classification.h"

#include <numeric>
#include <utility>

#include "clicks/click_metrics.h"
#include "millrace/core/status.h"
#include "millrace/data/dataset.h"

namespace millrace {
namespace {

void Append(const torch::Tensor& numbers, std::vector<float>& all) {
  const torch::Tensor flat = numbers.to(torch::kCPU).contiguous();
  all.insert(all.end(), flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel());
}

}  // namespace

std::vector<std::string> BinaryClassification::ExtraFields() const { return {kLabel}; }

TrainingPlan BinaryClassification::Plan(double progress) const {
  TrainingPlan plan;
  plan.shuffle = false;  // datasets are in no order that matters
  plan.minibatch_steps = settings_.minibatch;
  plan.learning_rate = settings_.learning_rate.At(progress);
  plan.max_gradient_norm = settings_.max_gradient_norm;
  plan.adam_epsilon = 1e-8;
  plan.may_stop_epochs = false;
  return plan;
}

absl::StatusOr<LossResult> BinaryClassification::Loss(const HeadOutputs& heads,
                                                      const TensorDict& minibatch) {
  const torch::Tensor& label = minibatch.at(kLabel);
  if (!heads.logits.defined() || heads.logits.numel() != label.numel()) {
    return absl::InvalidArgumentError(
        "algorithm binary_classification: expected a model with one logit of every sample, such as "
        "dlrm");
  }
  LossResult result;
  result.loss = torch::binary_cross_entropy_with_logits(heads.logits.view_as(label), label);
  const torch::NoGradGuard no_gradient;
  Append(torch::sigmoid(heads.logits), told_);
  Append(label, labels_);
  return result;
}

std::map<std::string, double> BinaryClassification::TakeBatchMetrics() {
  const std::vector<float> told = std::exchange(told_, {}), labels = std::exchange(labels_, {});
  const auto metrics = clicks::MeasureClicks(told, labels);
  std::map<std::string, double> named = {{"log_loss", metrics.log_loss}};
  const double clicks = std::accumulate(labels.begin(), labels.end(), 0.0);
  // Of one kind alone there is nothing to tell.
  if (clicks <= 0 || clicks >= static_cast<double>(labels.size())) return named;
  named["auc"] = metrics.auc;
  named["normalized_entropy"] = metrics.normalized_entropy;
  named["calibration"] = metrics.calibration;
  return named;
}

absl::StatusOr<std::unique_ptr<Algorithm>> MakeBinaryClassification(const Options& options,
                                                                    const ActionSpec& /*action*/) {
  BinaryClassification::Settings settings;
  settings.learning_rate = ReadLearningRate(options, settings.learning_rate.initial);
  settings.minibatch = options.GetInt("minibatch", settings.minibatch, 1, int64_t{1} << 30);
  settings.max_gradient_norm =
      options.GetDouble("max_gradient_norm", settings.max_gradient_norm, 0, 1e9);
  MILLRACE_RETURN_IF_ERROR(options.Finish("algorithm binary_classification"));
  return std::make_unique<BinaryClassification>(settings);
}

}  // namespace millrace
