#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "inference/action_probability.h"
#include "millrace/core/rng.h"
#include "millrace/inference/inference_model.h"

namespace millrace {
namespace {

// The draws of one row at one step, one 32-bit word after another.
class RowDraws {
 public:
  explicit RowDraws(const DrawKey& key) : key_(key) {}

  // Uniform in (0, 1), both ends excluded.
  float Next() {
    if (used_ == words_.size()) {
      // 2^16 blocks of four words per step are plenty: an action has fewer than 2^18 draws.
      words_ = Philox(key_.seed, key_.row, (key_.counter << 16) | block_++);
      used_ = 0;
    }
    return (static_cast<float>(words_[used_++] >> 9) + 0.5F) * 0x1.0p-23F;
  }

 private:
  const DrawKey& key_;
  uint64_t block_ = 0;
  std::array<uint32_t, 4> words_{};
  size_t used_ = 4;
};

// argmax of logit + Gumbel noise has the softmax distribution.
size_t ChooseDiscrete(const ActionHeads& heads, size_t begin, size_t count, bool greedy,
                      RowDraws& draws) {
  size_t best = 0;
  float best_score = -std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < count; ++i) {
    float score = MaskedLogit(heads, begin + i);
    if (!greedy) score -= std::log(-std::log(draws.Next()));
    if (score > best_score) {
      best_score = score;
      best = i;
    }
  }
  return best;
}

float NormalDraw(RowDraws& draws) {
  const float radius = std::sqrt(-2.0F * std::log(draws.Next()));
  return radius * std::cos(2.0F * std::numbers::pi_v<float> * draws.Next());
}

}  // namespace

float SampleAction(const ActionSpec& action, std::span<const float> logits,
                   std::span<const float> mean, std::span<const float> log_std,
                   std::span<const uint8_t> mask, const DrawKey& key, bool greedy,
                   std::span<int32_t> discrete, std::span<float> continuous) {
  const ActionHeads heads{logits, mean, log_std, mask};
  RowDraws draws(key);
  float log_prob = 0.0F;
  size_t component_index = 0, choice = 0;
  for (const ActionComponent& component : action.components) {
    if (component.kind != ActionComponent::Kind::kDiscrete) continue;
    const auto count = static_cast<size_t>(component.choices);
    const size_t taken = ChooseDiscrete(heads, choice, count, greedy, draws);
    discrete[component_index++] = static_cast<int32_t>(taken);
    log_prob += MaskedLogit(heads, choice + taken) - LogSumExp(heads, choice, count);
    choice += count;
  }
  for (size_t i = 0; i < mean.size(); ++i) {
    const float z = greedy ? 0.0F : NormalDraw(draws);
    continuous[i] = mean[i] + std::exp(log_std[i]) * z;
    log_prob += GaussianLogDensity(z, log_std[i]);
  }
  return log_prob;
}

}  // namespace millrace
