#include "backends/native/native_branch.h"

#include "absl/strings/str_cat.h"
#include "inference/dense_stack.h"
#include "inference/entity_inputs.h"

namespace millrace {

NativeBranch::NativeBranch(const ModelSpec& spec, Network network, NativeLayout& layout,
                           const kernels::KernelSet& kernels)
    : kernels_(kernels),
      activation_(spec.activation),
      network_(network),
      width_(EntityInputsOf(spec, network).dense_width()) {
  for (size_t i = 0; i < spec.hidden.size(); ++i) {
    layers_.emplace_back(layout, absl::StrCat(spec.TrunkName(network), ".", i), TrunkStride(),
                         kernels);
  }
  if (spec.lstm_size == 0) return;
  lstm_.emplace(layout, spec.CellName(network), spec.lstm_size, TrunkStride(), kernels);
}

int64_t NativeBranch::TrunkStride() const {
  return layers_.empty() ? width_ : layers_.back().out_stride();
}

const float* NativeBranch::FirstInput(const NativeMinibatch& batch) const {
  return network_ == Network::kActor ? batch.actor_input : batch.critic_input;
}

const float* NativeBranch::Input(size_t i, const NativeMinibatch& batch) const {
  return i == 0 ? FirstInput(batch) : layers_[i - 1].output();
}

const float* NativeBranch::Output(const NativeMinibatch& batch) const {
  return lstm_ ? lstm_->output() : Input(layers_.size(), batch);
}

const float* NativeBranch::Forward(const float* parameters, const NativeMinibatch& batch) {
  const float* x = FirstInput(batch);
  for (NativeLayer& layer : layers_) {
    float* y = layer.Forward(parameters, x, batch.rows());
    Activate(kernels_, activation_, y, batch.rows() * layer.out_stride());
    x = y;
  }
  return lstm_ ? lstm_->Forward(parameters, x, batch) : x;
}

void NativeBranch::Backward(const float* parameters, const NativeMinibatch& batch, float* gradient,
                            float* gradients) {
  if (lstm_) {
    lstm_->Backward(parameters, Input(layers_.size(), batch), batch, gradient, gradients);
    if (!layers_.empty()) gradient = lstm_->InputGradient(parameters, batch);
  }
  const auto activation_backward =
      activation_ == Activation::kTanh ? kernels_.tanh_backward : kernels_.relu_backward;
  for (size_t i = layers_.size(); i-- > 0;) {
    NativeLayer& layer = layers_[i];
    activation_backward(layer.output(), gradient, batch.rows() * layer.out_stride());
    layer.WriteGradients(Input(i, batch), gradient, batch.rows(), gradients);
    if (i > 0) gradient = layer.InputGradient(parameters, gradient, batch.rows(), nullptr);
  }
}

}  // namespace millrace
