#include "backends/dense/flat_adam.h"

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
  at::_fused_adam_({parameters}, {gradients}, {mean_}, {variance_}, {}, {step_[0]}, learning_rate,
                   options_.beta1, options_.beta2, options_.weight_decay, epsilon,
                   /*amsgrad=*/false, /*maximize=*/false);
}

}  // namespace millrace
