#include "algorithms/ppo_loss.h"

#include "algorithms/action_distribution.h"

namespace millrace {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// A contiguous tensor kept alive while its data is read; null if it is undefined.
template <typename T>
class Contiguous {
 public:
  explicit Contiguous(const Tensor& tensor)
      : tensor_(tensor.defined() ? tensor.detach().contiguous() : tensor) {}
  const T* data() const { return tensor_.defined() ? tensor_.const_data_ptr<T>() : nullptr; }

 private:
  Tensor tensor_;
};

Tensor Optional(const TensorDict& batch, const char* name) {
  const auto found = batch.find(name);
  return found == batch.end() ? Tensor() : found->second;
}

struct Gradients {
  Tensor logits, mean, log_std, value;
};

Gradients EmptyGradients(const HeadOutputs& heads) {
  const auto like = [](const Tensor& tensor) {
    return tensor.defined() ? torch::empty(tensor.sizes(), tensor.options().requires_grad(false))
                            : Tensor();
  };
  Gradients gradients{like(heads.logits), like(heads.mean), like(heads.log_std), like(heads.value)};
  if (gradients.log_std.defined()) gradients.log_std.zero_();
  return gradients;
}

PpoMeans RunKernel(const ActionSpec& action, const HeadOutputs& heads, const TensorDict& batch,
                   const PpoCoefficients& coefficients, const Gradients& gradients) {
  const Contiguous<float> logits(heads.logits), mean(heads.mean), log_std(heads.log_std),
      value(heads.value), continuous(Optional(batch, kContinuousAction)),
      old_log_prob(batch.at("log_prob")), old_value(batch.at("value")),
      advantage(batch.at("advantage")), value_target(batch.at("value_target"));
  const Contiguous<int32_t> discrete(Optional(batch, kDiscreteAction));
  const Contiguous<uint8_t> present(batch.at("present"));
  const PpoRows rows{.heads = {.count = heads.value.numel(),
                               .logits = logits.data(),
                               .mean = mean.data(),
                               .log_std = log_std.data(),
                               .value = value.data(),
                               .logits_stride = action.num_choices(),
                               .mean_stride = action.continuous_size(),
                               .value_stride = 1},
                     .discrete = discrete.data(),
                     .continuous = continuous.data(),
                     .old_log_prob = old_log_prob.data(),
                     .old_value = old_value.data(),
                     .advantage = advantage.data(),
                     .value_target = value_target.data(),
                     .present = present.data()};
  const auto out = [](const Tensor& tensor) {
    return tensor.defined() ? tensor.data_ptr<float>() : nullptr;
  };
  return PpoLossAndGradients(
      action, rows, coefficients,
      {out(gradients.logits), out(gradients.mean), out(gradients.log_std), out(gradients.value)});
}

// Joins the gradients that were computed with the loss to the graph of the heads.
class KnownGradients : public torch::autograd::Function<KnownGradients> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& logits, const Tensor& mean,
                        const Tensor& log_std, const Tensor& /*value*/, double loss,
                        const Gradients& gradients) {
    context->save_for_backward(
        {gradients.logits, gradients.mean, gradients.log_std, gradients.value});
    static_cast<void>(logits), static_cast<void>(mean), static_cast<void>(log_std);
    return torch::full({}, loss, gradients.value.options());
  }

  static variable_list backward(AutogradContext* context, const variable_list& outer) {
    variable_list inputs = context->get_saved_variables();
    if (outer[0].item<float>() != 1.0F) {
      for (Tensor& gradient : inputs) {
        if (gradient.defined()) gradient = gradient * outer[0];
      }
    }
    inputs.resize(6);  // loss and gradients have no gradient
    return inputs;
  }
};

// A mean of the kernel as a scalar for the metrics.
Tensor Scalar(double value) { return torch::scalar_tensor(value); }

}  // namespace

LossResult FusedPpoLoss(const ActionSpec& action, const HeadOutputs& heads,
                        const TensorDict& minibatch, const PpoCoefficients& coefficients) {
  const Gradients gradients = EmptyGradients(heads);
  const PpoMeans means = RunKernel(action, heads, minibatch, coefficients, gradients);
  LossResult result;
  // autograd takes no undefined inputs.
  const auto defined = [](const Tensor& head) { return head.defined() ? head : torch::empty({0}); };
  result.loss = KnownGradients::apply(defined(heads.logits), defined(heads.mean),
                                      defined(heads.log_std), heads.value, means.loss, gradients);
  result.metrics = {{"policy", Scalar(means.policy_loss)},
                    {"value", Scalar(means.value_loss)},
                    {"entropy", Scalar(means.entropy)},
                    {"approx_kl", Scalar(means.approx_kl)},
                    {"clip_fraction", Scalar(means.clip_fraction)}};
  return result;
}

LossResult ReferencePpoLoss(const ActionSpec& action, const HeadOutputs& heads,
                            const TensorDict& minibatch, const PpoCoefficients& coefficients) {
  const Tensor present = minibatch.at("present").to(heads.value.scalar_type());
  const Tensor weight = present / present.sum().clamp_min(1);
  const auto mean = [&](const Tensor& x) { return (x * weight).sum(); };
  const ActionTerms terms = EvaluateActions(action, heads, minibatch);

  const Tensor log_ratio = terms.log_prob - minibatch.at("log_prob");
  const Tensor ratio = log_ratio.exp();
  const Tensor clipped = ratio.clamp(1.0 - coefficients.clip, 1.0 + coefficients.clip);
  const Tensor& advantage = minibatch.at("advantage");
  const Tensor policy = -mean(torch::minimum(ratio * advantage, clipped * advantage));

  const Tensor& target = minibatch.at("value_target");
  Tensor square = (heads.value - target).square();
  if (coefficients.value_clip > 0) {
    const Tensor& old = minibatch.at("value");
    const Tensor limited =
        (heads.value - old).clamp(-coefficients.value_clip, coefficients.value_clip);
    square = torch::maximum(square, (old + limited - target).square());
  }
  const Tensor value = 0.5 * mean(square);
  const Tensor entropy = mean(terms.entropy);

  LossResult result;
  result.loss =
      policy + coefficients.value_coefficient * value - coefficients.entropy_coefficient * entropy;
  result.metrics = {{"policy", policy.detach()},
                    {"value", value.detach()},
                    {"entropy", entropy.detach()},
                    {"approx_kl", mean((ratio - 1) - log_ratio).detach()},
                    {"clip_fraction", mean((clipped != ratio).to(weight.scalar_type())).detach()}};
  return result;
}

}  // namespace millrace
