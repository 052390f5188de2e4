#include "millrace/inference/action_sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "inference/action_probability.h"
#include "inference/normalization.h"
#include "kernels/kernels.h"
#include "kernels/packed_layer.h"
#include "millrace/core/rng.h"

namespace millrace {
namespace {

constexpr size_t kWords = 4;  // of a block of random bits

size_t Blocks(size_t words) { return (words + kWords - 1) / kWords; }

size_t Padded(size_t size) { return static_cast<size_t>(PadToPanel(static_cast<int64_t>(size))); }

// At least one kernel's worth, never smaller than it was.
template <typename T>
void Grow(std::vector<T>& buffer, size_t size) {
  if (buffer.size() < Padded(size)) buffer.resize(Padded(size));
}

}  // namespace

ActionSampler::ActionSampler(const ActionSpec& action)
    : kernels_(kernels::BestKernels()),
      choices_(static_cast<size_t>(action.num_choices())),
      reals_(static_cast<size_t>(action.continuous_size())),
      choice_blocks_(Blocks(choices_)),
      real_blocks_(Blocks(reals_)),
      scales_(reals_) {
  for (const ActionComponent& component : action.components) {
    if (component.kind != ActionComponent::Kind::kDiscrete) continue;
    components_.push_back(static_cast<size_t>(component.choices));
  }
}

// Blocks of one row's choices come first in its sequence, then those of its reals: two words of
// each are radii and two angles, for four normals.
void ActionSampler::Draw(size_t rows, const DrawKey& key) {
  const size_t words = rows * choice_blocks_ * kWords, pairs = rows * real_blocks_ * 2;
  Grow(choice_words_, words);
  Grow(gumbel_, words);
  for (auto* buffer : {&radii_, &angles_}) Grow(*buffer, pairs);
  for (auto* buffer : {&cosines_, &sines_}) Grow(*buffer, pairs);
  for (size_t row = 0; row < rows; ++row) {
    // 2^16 blocks of four words per step are plenty: an action has fewer than 2^18 draws.
    uint64_t counter = key.counter << 16;
    for (size_t block = 0; block < choice_blocks_; ++block) {
      const auto drawn = Philox(key.seed, key.row + row, counter++);
      std::ranges::copy(drawn, &choice_words_[(row * choice_blocks_ + block) * kWords]);
    }
    for (size_t block = 0; block < real_blocks_; ++block) {
      const auto drawn = Philox(key.seed, key.row + row, counter++);
      const size_t pair = (row * real_blocks_ + block) * 2;
      std::copy_n(drawn.begin(), 2, &radii_[pair]);
      std::copy_n(drawn.begin() + 2, 2, &angles_[pair]);
    }
  }
  if (words > 0) {
    kernels_.gumbel(choice_words_.data(), gumbel_.data(), static_cast<int64_t>(Padded(words)));
  }
  if (pairs > 0) {
    kernels_.normals(radii_.data(), angles_.data(), cosines_.data(), sines_.data(),
                     static_cast<int64_t>(Padded(pairs)));
  }
}

void ActionSampler::Sample(int rows, const HeadSpans& heads, std::span<const uint8_t> mask,
                           const DrawKey& key, bool greedy, const ActionSpans& out) {
  const auto count = static_cast<size_t>(rows);
  if (!greedy) Draw(count, key);
  std::fill_n(out.log_prob.begin(), count, 0.0F);
  if (choices_ > 0) ChooseDiscrete(count, heads, mask, greedy, out);
  if (reals_ > 0) ChooseContinuous(count, heads, greedy, out);
}

// argmax of logit + Gumbel noise has the softmax distribution. Its log-probability is the logit
// less the largest, less the logarithm of the sum of all such exponentials.
void ActionSampler::ChooseDiscrete(size_t rows, const HeadSpans& heads,
                                   std::span<const uint8_t> mask, bool greedy,
                                   const ActionSpans& out) {
  Grow(exponentials_, rows * choices_);
  for (size_t row = 0; row < rows; ++row) {
    size_t choice = row * choices_;
    const float* noise = greedy ? nullptr : &gumbel_[row * choice_blocks_ * kWords];
    for (size_t component = 0; component < components_.size(); ++component) {
      const size_t count = components_[component];
      size_t taken = 0;
      float best = -std::numeric_limits<float>::infinity(), largest = best;
      for (size_t i = 0; i < count; ++i) {
        const bool masked = !mask.empty() && mask[choice + i] == 0;
        const float logit = masked ? kMaskedLogit : heads.logits[choice + i];
        exponentials_[choice + i] = logit;
        largest = std::max(largest, logit);
        const float score = noise == nullptr ? logit : logit + noise[i];
        if (score > best) {
          best = score;
          taken = i;
        }
      }
      for (size_t i = 0; i < count; ++i) exponentials_[choice + i] -= largest;
      out.log_prob[row] += exponentials_[choice + taken];
      out.discrete[row * components_.size() + component] = static_cast<int32_t>(taken);
      choice += count;
      if (noise != nullptr) noise += count;
    }
  }
  kernels_.exp(exponentials_.data(), static_cast<int64_t>(Padded(rows * choices_)));
  AddLogProbabilities(rows, out.log_prob);
}

void ActionSampler::AddLogProbabilities(size_t rows, std::span<float> log_prob) {
  const size_t size = rows * components_.size();
  Grow(sums_, size);
  size_t choice = 0;
  for (size_t i = 0; i < size; ++i) {
    const size_t count = components_[i % components_.size()];
    float sum = 0;
    for (size_t j = 0; j < count; ++j) sum += exponentials_[choice + j];
    sums_[i] = sum;
    choice += count;
  }
  std::fill(sums_.begin() + static_cast<int64_t>(size),
            sums_.begin() + static_cast<int64_t>(Padded(size)), 1.0F);
  kernels_.log(sums_.data(), static_cast<int64_t>(Padded(size)));
  for (size_t i = 0; i < size; ++i) log_prob[i / components_.size()] -= sums_[i];
}

void ActionSampler::ChooseContinuous(size_t rows, const HeadSpans& heads, bool greedy,
                                     const ActionSpans& out) {
  float log_density_at_mean = 0;
  for (size_t i = 0; i < reals_; ++i) {
    scales_[i] = std::exp(heads.log_std[i]);
    log_density_at_mean += GaussianLogDensity(0, heads.log_std[i]);
  }
  for (size_t row = 0; row < rows; ++row) {
    const float* mean = heads.mean.data() + row * reals_;
    float* action = out.continuous.data() + row * reals_;
    float squares = 0;
    for (size_t i = 0; i < reals_; ++i) {
      float z = 0;
      if (!greedy) {
        const size_t pair = (row * real_blocks_ + i / kWords) * 2 + i % 2;
        z = i % kWords < 2 ? cosines_[pair] : sines_[pair];
      }
      action[i] = mean[i] + scales_[i] * z;
      squares += z * z;
    }
    out.log_prob[row] += log_density_at_mean - 0.5F * squares;
  }
}

float SampleAction(const ActionSpec& action, std::span<const float> logits,
                   std::span<const float> mean, std::span<const float> log_std,
                   std::span<const uint8_t> mask, const DrawKey& key, bool greedy,
                   std::span<int32_t> discrete, std::span<float> continuous) {
  // Sample() only reads the heads.
  const auto writable = [](std::span<const float> floats) {
    return std::span<float>(const_cast<float*>(floats.data()), floats.size());
  };
  float log_prob = 0;
  ActionSampler(action).Sample(1,
                               {.logits = writable(logits),
                                .mean = writable(mean),
                                .log_std = writable(log_std),
                                .value = {}},
                               mask, key, greedy, {discrete, continuous, std::span(&log_prob, 1)});
  return log_prob;
}

}  // namespace millrace
