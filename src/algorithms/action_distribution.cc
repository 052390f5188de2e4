#include "algorithms/action_distribution.h"

#include <cmath>
#include <numbers>

namespace millrace {
namespace {

const double kHalfLogTwoPi = 0.5 * std::log(2.0 * std::numbers::pi);

void AddDiscrete(const ActionSpec& action, const torch::Tensor& logits, const torch::Tensor& taken,
                 ActionTerms& terms) {
  int64_t begin = 0, index = 0;
  for (const ActionComponent& component : action.components) {
    if (component.kind != ActionComponent::Kind::kDiscrete) continue;
    const auto log_probs = logits.narrow(-1, begin, component.choices).log_softmax(-1);
    const auto choice = taken.narrow(-1, index, 1).to(torch::kLong);
    terms.log_prob = terms.log_prob + log_probs.gather(-1, choice).squeeze(-1);
    terms.entropy = terms.entropy - (log_probs.exp() * log_probs).sum(-1);
    begin += component.choices;
    ++index;
  }
}

void AddContinuous(const HeadOutputs& heads, const torch::Tensor& taken, ActionTerms& terms) {
  const auto z = (taken - heads.mean) * torch::exp(-heads.log_std);
  const double size = static_cast<double>(heads.log_std.numel());
  const auto sum_log_std = heads.log_std.sum();
  terms.log_prob = terms.log_prob - 0.5 * z.square().sum(-1) - sum_log_std - size * kHalfLogTwoPi;
  terms.entropy = terms.entropy + sum_log_std + size * (0.5 + kHalfLogTwoPi);
}

}  // namespace

ActionTerms EvaluateActions(const ActionSpec& action, const HeadOutputs& heads,
                            const TensorDict& batch) {
  const torch::Tensor zeros = torch::zeros_like(heads.value.detach());
  ActionTerms terms{zeros, zeros};
  if (heads.logits.defined()) AddDiscrete(action, heads.logits, batch.at(kDiscreteAction), terms);
  if (heads.mean.defined()) AddContinuous(heads, batch.at(kContinuousAction), terms);
  return terms;
}

}  // namespace millrace
