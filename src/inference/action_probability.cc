#include "inference/action_probability.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "inference/normalization.h"

namespace millrace {
namespace {

const float kHalfLogTwoPi = static_cast<float>(0.5 * std::log(2.0 * std::numbers::pi));

}  // namespace

float MaskedLogit(const ActionHeads& heads, size_t index) {
  return heads.mask.empty() || heads.mask[index] != 0 ? heads.logits[index] : kMaskedLogit;
}

float LogSumExp(const ActionHeads& heads, size_t begin, size_t count) {
  float largest = -std::numeric_limits<float>::infinity();
  for (size_t i = begin; i < begin + count; ++i) largest = std::max(largest, MaskedLogit(heads, i));
  float sum = 0.0F;
  for (size_t i = begin; i < begin + count; ++i) sum += std::exp(MaskedLogit(heads, i) - largest);
  return largest + std::log(sum);
}

float GaussianLogDensity(float z, float log_std) { return -0.5F * z * z - log_std - kHalfLogTwoPi; }

float ActionLogProbability(const ActionSpec& action, const ActionHeads& heads,
                           std::span<const int32_t> discrete, std::span<const float> continuous) {
  float log_prob = 0.0F;
  size_t component_index = 0, choice = 0;
  for (const ActionComponent& component : action.components) {
    if (component.kind != ActionComponent::Kind::kDiscrete) continue;
    const auto count = static_cast<size_t>(component.choices);
    const auto taken = static_cast<size_t>(discrete[component_index++]);
    log_prob += MaskedLogit(heads, choice + taken) - LogSumExp(heads, choice, count);
    choice += count;
  }
  for (size_t i = 0; i < heads.mean.size(); ++i) {
    const float z = (continuous[i] - heads.mean[i]) * std::exp(-heads.log_std[i]);
    log_prob += GaussianLogDensity(z, heads.log_std[i]);
  }
  return log_prob;
}

float ActionEntropy(const ActionSpec& action, const ActionHeads& heads) {
  float entropy = 0.0F;
  size_t choice = 0;
  for (const ActionComponent& component : action.components) {
    if (component.kind != ActionComponent::Kind::kDiscrete) continue;
    const auto count = static_cast<size_t>(component.choices);
    const float log_sum = LogSumExp(heads, choice, count);
    for (size_t i = choice; i < choice + count; ++i) {
      const float log_prob = MaskedLogit(heads, i) - log_sum;
      entropy -= std::exp(log_prob) * log_prob;
    }
    choice += count;
  }
  for (float log_std : heads.log_std) entropy += 0.5F + kHalfLogTwoPi + log_std;
  return entropy;
}

}  // namespace millrace
