#include "backends/dense/flat_adam.h"

#include <cmath>

namespace millrace {

FlatAdam::FlatAdam(const torch::Tensor& parameters, const AdamOptions& options)
    : options_(options),
      mean_(torch::zeros_like(parameters)),
      variance_(torch::zeros_like(parameters)),
      step_(torch::zeros({1}, parameters.options())) {}

void FlatAdam::Step(const torch::Tensor& parameters, const torch::Tensor& gradients,
                    double learning_rate, double epsilon) {
  const torch::NoGradGuard no_gradient;
  step_.add_(1);  // the kernel expects the number of the step it takes
  if (frozen_at_ > 0) return StepFrozen(parameters, gradients, learning_rate, epsilon);
  at::_fused_adam_({parameters}, {gradients}, {mean_}, {variance_}, {}, {step_[0]}, learning_rate,
                   options_.beta1, options_.beta2, options_.weight_decay, epsilon,
                   /*amsgrad=*/false, /*maximize=*/false);
}

double FlatAdam::VarianceCorrection(int64_t step) const {
  return 1.0 - std::pow(options_.beta2, static_cast<double>(frozen_at_ > 0 ? frozen_at_ : step));
}

void FlatAdam::StepFrozen(const torch::Tensor& parameters, const torch::Tensor& gradients,
                          double learning_rate, double epsilon) {
  const auto step = static_cast<int64_t>(step_.item<float>());
  const double correction1 = 1.0 - std::pow(options_.beta1, static_cast<double>(step));
  mean_.lerp_(gradients + options_.weight_decay * parameters, 1.0 - options_.beta1);
  const torch::Tensor size = (variance_ / VarianceCorrection(step)).sqrt_().add_(epsilon);
  parameters.addcdiv_(mean_, size, -learning_rate / correction1);
}

}  // namespace millrace
