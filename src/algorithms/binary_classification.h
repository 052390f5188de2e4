// Learning to tell which of two kinds samples of a dataset are of: clicks, mostly.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "algorithms/learning_rate.h"
#include "millrace/algorithms/algorithm.h"

namespace millrace {

// Cross-entropy of a model with one logit against the dataset's field `label`, 0 or 1. Metrics of a
// batch's samples, each by the weights before it is trained on: log_loss and, if there are both
// kinds, auc, normalized_entropy (clicks/click_metrics.h) and calibration, the sum of probabilities
// divided by the sum of labels.
class BinaryClassification : public Algorithm {
 public:
  struct Settings {
    LearningRate learning_rate = {.initial = 1e-3};
    int64_t minibatch = 1024;      // samples of an optimiser step
    double max_gradient_norm = 0;  // 0: no clipping
  };
  explicit BinaryClassification(const Settings& settings) : settings_(settings) {}

  bool supervised() const override { return true; }
  std::vector<std::string> ExtraFields() const override;
  TrainingPlan Plan(double progress) const override;
  absl::Status ComputeTargets(TensorDict& /*batch*/) override { return absl::OkStatus(); }
  absl::StatusOr<LossResult> Loss(const HeadOutputs& heads, const TensorDict& minibatch) override;
  std::map<std::string, double> TakeBatchMetrics() override;
  std::string ValueTargetKey() const override { return ""; }

 private:
  const Settings settings_;
  std::vector<float> told_, labels_;  // of the batch's samples so far
};

// An AlgorithmFactory. Options: learning_rate, schedule, minibatch, max_gradient_norm.
absl::StatusOr<std::unique_ptr<Algorithm>> MakeBinaryClassification(const Options& options,
                                                                    const ActionSpec& action);

}  // namespace millrace
