#include "backends/nm_sparse/policy_divergence.h"

namespace millrace {

double PolicyDivergence(const ActionSpec& action, const HeadOutputs& p, const HeadOutputs& q) {
  const torch::NoGradGuard no_gradient;
  torch::Tensor divergence = torch::zeros_like(p.value);
  if (p.logits.defined()) {
    int64_t begin = 0;
    for (const ActionComponent& component : action.components) {
      if (component.kind != ActionComponent::Kind::kDiscrete) continue;
      const auto log_probs = [&](const HeadOutputs& heads) {
        return heads.logits.narrow(-1, begin, component.choices).log_softmax(-1);
      };
      const torch::Tensor log_p = log_probs(p);
      divergence += (log_p.exp() * (log_p - log_probs(q))).sum(-1);
      begin += component.choices;
    }
  }
  if (p.mean.defined()) {
    const torch::Tensor variance_p = (2 * p.log_std).exp(), variance_q = (2 * q.log_std).exp();
    const torch::Tensor spread = (variance_p + (p.mean - q.mean).square()) / variance_q;
    divergence += (q.log_std - p.log_std + 0.5 * (spread - 1)).sum(-1);
  }
  return divergence.mean().item<double>();
}

}  // namespace millrace
