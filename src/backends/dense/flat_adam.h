// Adam over one flat tensor: Kingma & Ba 2015 (arXiv:1412.6980).
#pragma once

#include "millrace/models/torch.h"

namespace millrace {

struct AdamOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double weight_decay = 0.0;  // L2: added to the gradient
};

// The same updates as torch::optim::Adam, by one fused call. Bound to one thread.
class FlatAdam {
 public:
  // For `parameters` [size], on their device.
  FlatAdam(const torch::Tensor& parameters, const AdamOptions& options);

  // Updates `parameters` [size] from `gradients` [size].
  void Step(const torch::Tensor& parameters, const torch::Tensor& gradients, double learning_rate,
            double epsilon);

  // From now on the second moments, and the correction of their bias, stay as they were after this
  // many steps; 0: they follow the gradients.
  void FreezeVariance(int64_t at_step) { frozen_at_ = at_step; }
  int64_t frozen_at() const { return frozen_at_; }
  // What the second moments are divided by in a step of this number.
  double VarianceCorrection(int64_t step) const;

  const AdamOptions& options() const { return options_; }
  torch::Tensor& mean() { return mean_; }          // first moment [size]
  torch::Tensor& variance() { return variance_; }  // second moment [size]
  torch::Tensor& step() { return step_; }          // [1]: how many steps were taken

 private:
  void StepFrozen(const torch::Tensor& parameters, const torch::Tensor& gradients,
                  double learning_rate, double epsilon);

  const AdamOptions options_;
  int64_t frozen_at_ = 0;
  torch::Tensor mean_, variance_, step_;
};

}  // namespace millrace
