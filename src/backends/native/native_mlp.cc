#include "backends/native/native_mlp.h"

#include "absl/strings/str_cat.h"
#include "inference/dense_stack.h"

namespace millrace {

NativeMlp::NativeMlp(const ModelSpec& spec, const kernels::KernelSet& kernels)
    : kernels_(kernels),
      spec_(spec),
      layout_(spec),
      actor_(MakeTrunk(spec.shared_trunk ? "trunk" : "actor")),
      critic_(spec.shared_trunk ? Trunk() : MakeTrunk("critic")),
      policy_head_(layout_, "policy_head", WidthOf(actor_), kernels),
      value_head_(layout_, "value_head", WidthOf(actor_), kernels),
      log_std_offset_(layout_.Has("log_std") ? layout_.Add("log_std").offset : layout_.size()) {}

NativeMlp::Trunk NativeMlp::MakeTrunk(const std::string& name) {
  Trunk trunk;
  for (size_t i = 0; i < spec_.hidden.size(); ++i) {
    trunk.emplace_back(layout_, absl::StrCat(name, ".", i), WidthOf(trunk), kernels_);
  }
  return trunk;
}

int64_t NativeMlp::WidthOf(const Trunk& trunk) const {
  return trunk.empty() ? spec_.num_features() : trunk.back().out_stride();
}

const float* NativeMlp::ApplyTrunk(Trunk& trunk, const float* parameters, const float* x,
                                   int64_t rows) const {
  for (NativeLayer& layer : trunk) {
    float* y = layer.Forward(parameters, x, rows);
    Activate(kernels_, spec_.activation, y, rows * layer.out_stride());
    x = y;
  }
  return x;
}

NativeMlp::Heads NativeMlp::Forward(const float* parameters, const float* features, int64_t rows) {
  const float* hidden = ApplyTrunk(actor_, parameters, features, rows);
  policy_head_.Forward(parameters, hidden, rows);
  if (!spec_.shared_trunk) hidden = ApplyTrunk(critic_, parameters, features, rows);
  value_head_.Forward(parameters, hidden, rows);
  return {.policy = policy_head_.output(),
          .value = value_head_.output(),
          .policy_stride = policy_head_.out_stride(),
          .value_stride = value_head_.out_stride()};
}

void NativeMlp::BackwardTrunk(Trunk& trunk, const float* parameters, const float* features,
                              int64_t rows, float* gradient, float* gradients) const {
  const auto activation_backward =
      spec_.activation == Activation::kTanh ? kernels_.tanh_backward : kernels_.relu_backward;
  for (size_t i = trunk.size(); i-- > 0;) {
    NativeLayer& layer = trunk[i];
    activation_backward(layer.output(), gradient, rows * layer.out_stride());
    layer.WriteGradients(i == 0 ? features : trunk[i - 1].output(), gradient, rows, gradients);
    if (i > 0) gradient = layer.InputGradient(parameters, gradient, rows, nullptr);
  }
}

void NativeMlp::Backward(const float* parameters, const float* features, int64_t rows,
                         const float* policy_gradient, const float* value_gradient,
                         float* gradients) {
  const auto last = [&](Trunk& trunk) { return trunk.empty() ? features : trunk.back().output(); };
  policy_head_.WriteGradients(last(actor_), policy_gradient, rows, gradients);
  value_head_.WriteGradients(last(spec_.shared_trunk ? actor_ : critic_), value_gradient, rows,
                             gradients);
  if (actor_.empty()) return;
  float* gradient = policy_head_.InputGradient(parameters, policy_gradient, rows, nullptr);
  if (spec_.shared_trunk) {
    gradient = value_head_.InputGradient(parameters, value_gradient, rows, gradient);
  } else {
    BackwardTrunk(critic_, parameters, features, rows,
                  value_head_.InputGradient(parameters, value_gradient, rows, nullptr), gradients);
  }
  BackwardTrunk(actor_, parameters, features, rows, gradient, gradients);
}

}  // namespace millrace
