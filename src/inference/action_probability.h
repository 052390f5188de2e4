// Probability and entropy of one row's action. The same conventions as the LibTorch losses.
#pragma once

#include <cstdint>
#include <span>

#include "millrace/data/spaces.h"

namespace millrace {

// One row of the policy's outputs; shapes as in SampleAction.
struct ActionHeads {
  std::span<const float> logits;
  std::span<const float> mean;
  std::span<const float> log_std;
  std::span<const uint8_t> mask;  // or empty
};

// The logit of choice `index` of the whole row, kMaskedLogit if it is masked.
float MaskedLogit(const ActionHeads& heads, size_t index);

// log(sum(exp(logit))) over `count` choices from `begin` on.
float LogSumExp(const ActionHeads& heads, size_t begin, size_t count);

// The log-density of one real that lies `z` standard deviations from its mean.
float GaussianLogDensity(float z, float log_std);

// The log-probability (density) of a whole action: the sum over its components.
float ActionLogProbability(const ActionSpec& action, const ActionHeads& heads,
                           std::span<const int32_t> discrete, std::span<const float> continuous);

// The entropy of the whole action, in nats (differential for reals): the sum over its components.
float ActionEntropy(const ActionSpec& action, const ActionHeads& heads);

}  // namespace millrace
