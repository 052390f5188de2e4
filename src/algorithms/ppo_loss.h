// The PPO loss as a scalar tensor.
#pragma once

#include "algorithms/ppo_kernel.h"
#include "millrace/algorithms/algorithm.h"

namespace millrace {

// Heads [...] and a minibatch with action/*, log_prob, value, advantage, value_target and present
// [...]. The fused form wants float32 on the CPU, and gives the gradient once (no second
// derivatives); the other one works everywhere and is what the fused one is tested against.
// Metrics: policy, value, entropy, approx_kl, clip_fraction. Thread-safe: no state.
LossResult FusedPpoLoss(const ActionSpec& action, const HeadOutputs& heads,
                        const TensorDict& minibatch, const PpoCoefficients& coefficients);
LossResult ReferencePpoLoss(const ActionSpec& action, const HeadOutputs& heads,
                            const TensorDict& minibatch, const PpoCoefficients& coefficients);

}  // namespace millrace
