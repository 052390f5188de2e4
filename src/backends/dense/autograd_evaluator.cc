#include "backends/dense/head_evaluator.h"

namespace millrace {
namespace {

class AutogradEvaluator : public HeadEvaluator {
 public:
  AutogradEvaluator(std::shared_ptr<Policy> policy, FlatParameters& parameters)
      : policy_(std::move(policy)), parameters_(parameters) {}

  HeadOutputs Forward(const TensorDict& minibatch) override {
    const torch::AutoGradMode with_gradient(true);
    outputs_ = ForwardOf(*policy_, minibatch);
    return AsLeaves(outputs_);
  }

  void Backward(const HeadOutputs& heads) override {
    parameters_.gradients().zero_();
    std::vector<torch::Tensor> outputs, gradients;
    const auto add = [&](const torch::Tensor& output, const torch::Tensor& leaf) {
      if (!output.defined() || !output.requires_grad() || !leaf.grad().defined()) return;
      outputs.push_back(output);
      gradients.push_back(leaf.grad());
    };
    add(outputs_.logits, heads.logits);
    add(outputs_.mean, heads.mean);
    add(outputs_.log_std, heads.log_std);
    add(outputs_.value, heads.value);
    torch::autograd::backward(outputs, gradients);
    outputs_ = {};
  }

 private:
  const std::shared_ptr<Policy> policy_;
  FlatParameters& parameters_;
  HeadOutputs outputs_;  // with their graph
};

}  // namespace

HeadOutputs ForwardOf(Policy& policy, const TensorDict& minibatch) {
  torch::Tensor first, state;
  if (policy.state_size() > 0) {
    first = minibatch.at("first");
    state = minibatch.at("state");
    if (state.dim() == 3) state = state[0];  // whole rows: the state before the first chunk
  }
  return policy.Forward(minibatch, first, state);
}

HeadOutputs AsLeaves(const HeadOutputs& heads) {
  const auto leaf = [](const torch::Tensor& tensor) {
    return tensor.defined() ? tensor.detach().requires_grad_() : tensor;
  };
  return {leaf(heads.logits), leaf(heads.mean), leaf(heads.log_std), leaf(heads.value)};
}

torch::Tensor GradientOf(const torch::Tensor& leaf) {
  return leaf.grad().defined() ? leaf.grad() : torch::zeros_like(leaf);
}

torch::Tensor MaskedChoices(const HeadOutputs& heads, const TensorDict& minibatch) {
  const auto mask = minibatch.find(ObservationField(kActionMask));
  return heads.logits.defined() && mask != minibatch.end() ? mask->second == 0 : torch::Tensor();
}

torch::Tensor PolicyHeadGradient(const HeadOutputs& heads, const torch::Tensor& masked) {
  std::vector<torch::Tensor> parts;
  const auto add = [&](const torch::Tensor& gradient) {
    parts.push_back(gradient.view({-1, gradient.size(-1)}));
  };
  if (heads.logits.defined()) {
    const torch::Tensor gradient = GradientOf(heads.logits);
    add(masked.defined() ? gradient.masked_fill(masked, 0.0) : gradient);
  }
  if (heads.mean.defined()) add(GradientOf(heads.mean));
  return parts.size() == 1 ? parts[0] : torch::cat(parts, 1);
}

std::unique_ptr<HeadEvaluator> MakeAutogradEvaluator(std::shared_ptr<Policy> policy,
                                                     FlatParameters& parameters) {
  return std::make_unique<AutogradEvaluator>(std::move(policy), parameters);
}

}  // namespace millrace
