// The built-in mlp by hand: at 64 x 64 units and minibatches of a few hundred, recording and
// replaying the graph costs more than the matrix products.

#include <string>

#include "absl/strings/str_cat.h"
#include "backends/dense/head_evaluator.h"
#include "inference/entity_inputs.h"
#include "models/builtin_policy.h"
#include "models/onednn_linear.h"

namespace millrace {
namespace {

using torch::Tensor;

// A buffer of the given size where `like` is, the old one if it fits.
Tensor& Sized(Tensor& buffer, int64_t rows, int64_t columns, const Tensor& like) {
  if (!buffer.defined() || buffer.size(0) != rows) {
    buffer = torch::empty({rows, columns}, like.options());
  }
  return buffer;
}

struct Layer {
  Layer(const FlatParameters& parameters, const std::string& name)
      : weight(parameters.Weight(name + ".weight")),
        bias(parameters.Weight(name + ".bias")),
        weight_transposed(weight.t()),
        weight_gradient(parameters.Gradient(name + ".weight")),
        bias_gradient(parameters.Gradient(name + ".bias")) {}

  const Tensor& Forward(const Tensor& x) {
    if (OneDnn(x).forward) return output = OneDnnLinear(x, weight, bias);
    Sized(output, x.size(0), weight.size(0), weight);
    return at::addmm_out(output, bias, x, weight_transposed);
  }
  // From the gradient of the output [N, out], for input x [N, in].
  void WriteGradients(const Tensor& gradient, const Tensor& x) {
    if (OneDnn(x).gradients) {
      weight_gradient.copy_(
          OneDnnLinear(gradient.t().contiguous(), x.t().contiguous(), std::nullopt));
    } else {
      at::mm_out(weight_gradient, gradient.t(), x);
    }
    at::sum_out(bias_gradient, gradient, {0});
  }
  Tensor& InputGradient(const Tensor& gradient) {
    if (OneDnn(gradient).gradients) {
      return input_gradient =
                 OneDnnLinear(gradient.contiguous(), weight.t().contiguous(), std::nullopt);
    }
    Sized(input_gradient, gradient.size(0), weight.size(1), weight);
    return at::mm_out(input_gradient, gradient, weight);
  }

  OneDnnProducts OneDnn(const Tensor& rows) const {
    if (!rows.is_cpu() || !rows.is_contiguous()) return {};
    return OneDnnProductsOf(rows.size(0), weight.size(1), weight.size(0));
  }

  Tensor weight, bias, weight_transposed, weight_gradient, bias_gradient;
  Tensor output;  // after the activation, for hidden layers
  Tensor input_gradient;
};

class Trunk {
 public:
  Trunk(const FlatParameters& parameters, const std::string& name, size_t layers,
        Activation activation)
      : activation_(activation) {
    for (size_t i = 0; i < layers; ++i) {
      layers_.emplace_back(parameters, absl::StrCat(name, ".", i));
    }
  }

  const Tensor& Forward(const Tensor& x) {
    input_ = x;
    for (size_t i = 0; i < layers_.size(); ++i) {
      layers_[i].Forward(Input(i));
      Tensor& output = layers_[i].output;
      activation_ == Activation::kTanh ? output.tanh_() : output.relu_();
    }
    return Input(layers_.size());
  }

  // `gradient` of the last output is overwritten.
  void Backward(Tensor& gradient) {
    Tensor* current = &gradient;
    for (size_t i = layers_.size(); i-- > 0;) {
      const Tensor& output = layers_[i].output;
      if (activation_ == Activation::kTanh) {
        at::tanh_backward_out(*current, *current, output);
      } else {
        at::threshold_backward_out(*current, *current, output, 0);
      }
      layers_[i].WriteGradients(*current, Input(i));
      if (i > 0) current = &layers_[i].InputGradient(*current);
    }
  }

  const Tensor& output() const { return Input(layers_.size()); }

 private:
  const Tensor& Input(size_t layer) const {
    return layer == 0 ? input_ : layers_[layer - 1].output;
  }

  const Activation activation_;
  std::vector<Layer> layers_;
  Tensor input_;
};

class MlpEvaluator : public HeadEvaluator {
 public:
  MlpEvaluator(std::shared_ptr<BuiltinPolicy> policy, FlatParameters& parameters)
      : policy_(std::move(policy)),
        parameters_(parameters),
        shared_(policy_->spec().shared_trunk),
        actor_(MakeTrunk(shared_ ? "trunk" : "actor")),
        critic_(MakeTrunk("critic")),
        policy_head_(parameters, "policy_head"),
        value_head_(parameters, "value_head"),
        log_std_gradient_(parameters.Gradient("log_std")) {}

  HeadOutputs Forward(const TensorDict& minibatch) override {
    const torch::NoGradGuard no_gradient;
    const Tensor features = policy_->Features(minibatch);
    const auto leading = features.sizes().slice(0, static_cast<size_t>(features.dim()) - 1).vec();
    const Tensor x = features.dim() == 2 ? features : features.flatten(0, -2);
    const Tensor& hidden = actor_.Forward(x);
    const Tensor& out = policy_head_.Forward(hidden);
    auto sizes = leading;
    sizes.push_back(out.size(1));
    HeadOutputs heads = policy_->SplitPolicyHead(out.view(sizes), minibatch);
    const Tensor& value = value_head_.Forward(shared_ ? hidden : critic_.Forward(x));
    heads.value = value.view(leading);
    masked_ = MaskedChoices(heads, minibatch);
    return AsLeaves(heads);
  }

  void Backward(const HeadOutputs& heads) override {
    const torch::NoGradGuard no_gradient;
    parameters_.gradients().zero_();
    const Tensor policy = PolicyHeadGradient(heads, masked_);
    const Tensor value = GradientOf(heads.value).view({-1, 1});
    if (log_std_gradient_.defined()) log_std_gradient_.copy_(GradientOf(heads.log_std));

    policy_head_.WriteGradients(policy, actor_.output());
    value_head_.WriteGradients(value, shared_ ? actor_.output() : critic_.output());
    Tensor& hidden = policy_head_.InputGradient(policy);
    Tensor& value_hidden = value_head_.InputGradient(value);
    if (shared_) {
      hidden.add_(value_hidden);
    } else {
      critic_.Backward(value_hidden);
    }
    actor_.Backward(hidden);
  }

 private:
  Trunk MakeTrunk(const std::string& name) const {
    const bool exists = name != "critic" || !shared_;
    return Trunk(parameters_, name, exists ? policy_->spec().hidden.size() : 0,
                 policy_->spec().activation);
  }

  const std::shared_ptr<BuiltinPolicy> policy_;
  FlatParameters& parameters_;
  const bool shared_;
  Trunk actor_, critic_;  // the critic's is empty if there is one trunk
  Layer policy_head_, value_head_;
  Tensor log_std_gradient_;
  Tensor masked_;  // of the last Forward(); undefined without a mask
};

}  // namespace

std::unique_ptr<HeadEvaluator> MakeMlpEvaluator(std::shared_ptr<Policy> policy,
                                                FlatParameters& parameters) {
  auto builtin = std::dynamic_pointer_cast<BuiltinPolicy>(std::move(policy));
  if (builtin == nullptr || builtin->spec().type != "mlp") return nullptr;
  for (Network network : {Network::kActor, Network::kCritic}) {
    if (!EntityInputsOf(builtin->spec(), network).all_features()) return nullptr;
  }
  return std::make_unique<MlpEvaluator>(std::move(builtin), parameters);
}

}  // namespace millrace
