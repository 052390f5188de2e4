#include "algorithms/binary_classification.h"

#include "clicks/click_metrics.h"
#include "millrace/core/status.h"
#include "millrace/data/dataset.h"

namespace millrace {
namespace {

std::span<const float> Numbers(const torch::Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel())};
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
  const torch::Tensor told = torch::sigmoid(heads.logits).to(torch::kCPU).contiguous();
  const torch::Tensor labels = label.to(torch::kCPU).contiguous();
  const auto metrics = clicks::MeasureClicks(Numbers(told), Numbers(labels));
  const auto add = [&](const char* name, double value) {
    result.metrics[name] = torch::tensor(value, torch::kFloat64);
  };
  add("log_loss", metrics.log_loss);
  add("auc", metrics.auc);
  add("normalized_entropy", metrics.normalized_entropy);
  add("calibration", told.sum().item<double>() / std::max(1.0, labels.sum().item<double>()));
  return result;
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
