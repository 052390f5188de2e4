// The PPO loss and its gradient with respect to the policy's outputs in one pass over the rows: the
// same loss in ATen operations costs more in dispatch than in arithmetic at usual minibatch sizes.
#pragma once

#include <cstdint>

#include "millrace/data/spaces.h"
#include "millrace/models/row_loss.h"

namespace millrace {

struct PpoCoefficients {
  float clip = 0.2F;
  float value_clip = 0.0F;  // <= 0: off
  float value_coefficient = 0.5F;
  float entropy_coefficient = 0.0F;
};

// N rows of a minibatch. A pointer of a part that the action does not have is null.
struct PpoRows {
  HeadRows heads;
  const int32_t* discrete = nullptr;    // [N, num_discrete]
  const float* continuous = nullptr;    // [N, continuous_size]
  const float* old_log_prob = nullptr;  // [N]
  const float* old_value = nullptr;     // [N]
  const float* advantage = nullptr;     // [N]
  const float* value_target = nullptr;  // [N]
  const uint8_t* present = nullptr;     // [N]: 0 = the row carries no loss
};

// Means over the rows that are present.
struct PpoMeans {
  double loss = 0;
  double policy_loss = 0;
  double value_loss = 0;
  double entropy = 0;
  double approx_kl = 0;  // (ratio - 1) - log ratio: Schulman 2020, "Approximating KL divergence"
  double clip_fraction = 0;
};

// Schulman et al. 2017, eq. 7 and 9 (arXiv:1707.06347); the value loss is 0.5 (v - target)^2, or
// the larger one of it and of the same with v clipped to old_value +- value_clip. Thread-safe: no
// state.
PpoMeans PpoLossAndGradients(const ActionSpec& action, const PpoRows& rows,
                             const PpoCoefficients& coefficients,
                             const HeadRowGradients& gradients);

}  // namespace millrace
