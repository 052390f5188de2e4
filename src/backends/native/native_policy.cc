#include "backends/native/native_policy.h"

namespace millrace {
namespace {

std::optional<NativeBranch> MakeCritic(const ModelSpec& spec, NativeLayout& layout,
                                       const kernels::KernelSet& kernels) {
  if (spec.one_trunk()) return std::nullopt;
  return std::optional<NativeBranch>(std::in_place, spec, Network::kCritic, layout, kernels);
}

}  // namespace

NativePolicy::NativePolicy(const ModelSpec& spec, const kernels::KernelSet& kernels)
    : kernels_(kernels),
      layout_(spec),
      actor_(spec, Network::kActor, layout_, kernels),
      critic_(MakeCritic(spec, layout_, kernels)),
      policy_head_(layout_, "policy_head", actor_.out_stride(), kernels),
      value_head_(layout_, "value_head", actor_.out_stride(), kernels),
      log_std_offset_(layout_.Has("log_std") ? layout_.Add("log_std").offset : layout_.size()) {}

NativePolicy::Heads NativePolicy::Forward(const float* parameters, const NativeMinibatch& batch) {
  const float* hidden = actor_.Forward(parameters, batch);
  policy_head_.Forward(parameters, hidden, batch.rows());
  if (critic_) hidden = critic_->Forward(parameters, batch);
  value_head_.Forward(parameters, hidden, batch.rows());
  return {.policy = policy_head_.output(),
          .value = value_head_.output(),
          .policy_stride = policy_head_.out_stride(),
          .value_stride = value_head_.out_stride()};
}

void NativePolicy::Step(const kernels::AdamStep& step, const AdamBuffers& buffers) {
  kernels_.adam(step, buffers.gradients, buffers.parameters, buffers.mean, buffers.variance,
                layout_.size());
}

void NativePolicy::Backward(const float* parameters, const NativeMinibatch& batch,
                            const float* policy_gradient, const float* value_gradient,
                            float* gradients) {
  const int64_t rows = batch.rows();
  policy_head_.WriteGradients(actor_.Output(batch), policy_gradient, rows, gradients);
  value_head_.WriteGradients((critic_ ? *critic_ : actor_).Output(batch), value_gradient, rows,
                             gradients);
  if (actor_.empty()) return;
  float* gradient = policy_head_.InputGradient(parameters, policy_gradient, rows, nullptr);
  if (critic_) {
    critic_->Backward(parameters, batch,
                      value_head_.InputGradient(parameters, value_gradient, rows, nullptr),
                      gradients);
  } else {
    gradient = value_head_.InputGradient(parameters, value_gradient, rows, gradient);
  }
  actor_.Backward(parameters, batch, gradient, gradients);
}

}  // namespace millrace
