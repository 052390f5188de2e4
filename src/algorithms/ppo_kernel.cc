#include "algorithms/ppo_kernel.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace millrace {
namespace {

const float kHalfLogTwoPi = static_cast<float>(0.5 * std::log(2.0 * std::numbers::pi));

// Sizes of an action's parts, looked up once per call.
struct ActionSizes {
  explicit ActionSizes(const ActionSpec& action)
      : choices(action.num_choices()), reals(action.continuous_size()) {
    for (const ActionComponent& component : action.components) {
      if (component.kind == ActionComponent::Kind::kDiscrete) {
        components.push_back(component.choices);
      }
    }
  }
  int64_t choices;
  int64_t reals;
  std::vector<int32_t> components;  // choices of each discrete component
};

// One discrete component of one row.
struct Softmax {
  float log_sum = 0;  // log of the sum of exponentials
  float entropy = 0;
};

Softmax Evaluate(const float* logits, int32_t count) {
  const float largest = *std::max_element(logits, logits + count);
  float sum = 0, weighted = 0;
  for (int32_t i = 0; i < count; ++i) {
    const float shifted = logits[i] - largest;
    const float e = std::exp(shifted);
    sum += e;
    weighted += e * shifted;  // a masked choice adds 0 x -1e9
  }
  const float log_sum = std::log(sum);
  return {largest + log_sum, log_sum - weighted / sum};
}

class PpoPass {
 public:
  PpoPass(const ActionSpec& action, const PpoRows& rows, const PpoCoefficients& coefficients,
          const HeadRowGradients& gradients)
      : sizes_(action),
        rows_(rows),
        coefficients_(coefficients),
        gradients_(gradients),
        softmax_(sizes_.components.size()),
        inverse_std_(static_cast<size_t>(sizes_.reals)) {
    for (size_t i = 0; i < inverse_std_.size(); ++i) {
      inverse_std_[i] = std::exp(-rows.heads.log_std[i]);
      gaussian_entropy_ += 0.5F + kHalfLogTwoPi + rows.heads.log_std[i];
    }
  }

  PpoMeans Run() {
    int64_t present = 0;
    for (int64_t row = 0; row < rows_.heads.count; ++row)
      present += rows_.present[row] != 0 ? 1 : 0;
    const float scale = 1.0F / static_cast<float>(std::max<int64_t>(present, 1));
    for (int64_t row = 0; row < rows_.heads.count; ++row) {
      const float weight = rows_.present[row] != 0 ? scale : 0.0F;
      AddRow(row, weight);
    }
    means_.loss = means_.policy_loss + coefficients_.value_coefficient * means_.value_loss -
                  coefficients_.entropy_coefficient * means_.entropy;
    return means_;
  }

 private:
  // A row of weight 0 still gets its gradients written: zeros.
  void AddRow(int64_t row, float weight) {
    if (weight == 0.0F) return ClearRow(row);
    float entropy = gaussian_entropy_;
    const float log_prob = LogProbability(row, entropy);
    means_.entropy += weight * entropy;
    WritePolicyGradient(row, SurrogateGradient(row, log_prob, weight),
                        -coefficients_.entropy_coefficient * weight);
    gradients_.value[row * rows_.heads.value_stride] =
        coefficients_.value_coefficient * ValueGradient(row, weight);
  }

  void ClearRow(int64_t row) {
    std::fill_n(gradients_.logits + row * rows_.heads.logits_stride, sizes_.choices, 0.0F);
    std::fill_n(gradients_.mean + row * rows_.heads.mean_stride, sizes_.reals, 0.0F);
    gradients_.value[row * rows_.heads.value_stride] = 0.0F;
  }

  float LogProbability(int64_t row, float& entropy) {
    const float* logits = rows_.heads.logits + row * rows_.heads.logits_stride;
    const int32_t* taken = rows_.discrete + row * static_cast<int64_t>(sizes_.components.size());
    float log_prob = 0;
    for (size_t c = 0; c < softmax_.size(); ++c) {
      softmax_[c] = Evaluate(logits, sizes_.components[c]);
      log_prob += logits[taken[c]] - softmax_[c].log_sum;
      entropy += softmax_[c].entropy;
      logits += sizes_.components[c];
    }
    for (int64_t i = 0; i < sizes_.reals; ++i) {
      const float z = Deviation(row, i);
      log_prob += -0.5F * z * z - rows_.heads.log_std[i] - kHalfLogTwoPi;
    }
    return log_prob;
  }

  float Deviation(int64_t row, int64_t i) const {
    return (rows_.continuous[row * sizes_.reals + i] -
            rows_.heads.mean[row * rows_.heads.mean_stride + i]) *
           inverse_std_[static_cast<size_t>(i)];
  }

  // Of the clipped surrogate with respect to the log-probability.
  float SurrogateGradient(int64_t row, float log_prob, float weight) {
    const float log_ratio = log_prob - rows_.old_log_prob[row];
    const float ratio = std::exp(log_ratio);
    const float advantage = rows_.advantage[row];
    const float clipped = std::clamp(ratio, 1.0F - coefficients_.clip, 1.0F + coefficients_.clip);
    const bool is_clipped = clipped * advantage < ratio * advantage;
    means_.policy_loss -= weight * std::min(ratio * advantage, clipped * advantage);
    means_.approx_kl += weight * ((ratio - 1.0F) - log_ratio);
    means_.clip_fraction += clipped != ratio ? weight : 0.0F;
    return is_clipped ? 0.0F : -weight * ratio * advantage;
  }

  float ValueGradient(int64_t row, float weight) {
    const float value = rows_.heads.value[row * rows_.heads.value_stride];
    const float target = rows_.value_target[row];
    float error = value - target;
    float slope = 1.0F;
    if (coefficients_.value_clip > 0) {
      const float old = rows_.old_value[row];
      const float change = value - old;
      const float limited = std::clamp(change, -coefficients_.value_clip, coefficients_.value_clip);
      const float clipped_error = old + limited - target;
      if (clipped_error * clipped_error > error * error) {
        error = clipped_error;
        slope = limited == change ? 1.0F : 0.0F;
      }
    }
    means_.value_loss += weight * 0.5F * error * error;
    return weight * error * slope;
  }

  // From the gradients with respect to the log-probability and to the entropy.
  void WritePolicyGradient(int64_t row, float by_log_prob, float by_entropy) {
    const float* logits = rows_.heads.logits + row * rows_.heads.logits_stride;
    float* out = gradients_.logits + row * rows_.heads.logits_stride;
    const int32_t* taken = rows_.discrete + row * static_cast<int64_t>(sizes_.components.size());
    for (size_t c = 0; c < softmax_.size(); ++c) {
      const int32_t count = sizes_.components[c];
      for (int32_t i = 0; i < count; ++i) {
        const float log_p = logits[i] - softmax_[c].log_sum;
        const float p = std::exp(log_p);
        out[i] = -by_log_prob * p - by_entropy * p * (log_p + softmax_[c].entropy);
      }
      out[taken[c]] += by_log_prob;
      logits += count;
      out += count;
    }
    for (int64_t i = 0; i < sizes_.reals; ++i) {
      const float z = Deviation(row, i);
      gradients_.mean[row * rows_.heads.mean_stride + i] =
          by_log_prob * z * inverse_std_[static_cast<size_t>(i)];
      gradients_.log_std[i] += by_log_prob * (z * z - 1.0F) + by_entropy;
    }
  }

  const ActionSizes sizes_;
  const PpoRows& rows_;
  const PpoCoefficients& coefficients_;
  const HeadRowGradients& gradients_;
  std::vector<Softmax> softmax_;
  std::vector<float> inverse_std_;
  float gaussian_entropy_ = 0;
  PpoMeans means_;
};

}  // namespace

PpoMeans PpoLossAndGradients(const ActionSpec& action, const PpoRows& rows,
                             const PpoCoefficients& coefficients,
                             const HeadRowGradients& gradients) {
  return PpoPass(action, rows, coefficients, gradients).Run();
}

}  // namespace millrace
