// V-trace off-policy targets: Espeholt et al. 2018, eq. 1 and section 4.2 (arXiv:1802.01561).
#pragma once

#include <span>

#include "algorithms/gae.h"

namespace millrace {

struct VtraceParameters {
  float gamma = 0.99F;
  float lambda = 1.0F;    // remark 2 of the paper: c = lambda min(c_clip, ratio)
  float rho_clip = 1.0F;  // rho bar: decides which policy's value function is learnt
  float c_clip = 1.0F;    // c bar: trades variance for speed of convergence
};

// With ratio = exp(log_ratios), rho = min(rho_clip, ratio), c = lambda min(c_clip, ratio):
//   v_t = V(x_t) + rho_t (r_t + gamma V(x_{t+1}) - V(x_t)) + gamma c_t (v_{t+1} - V(x_{t+1}))
//   advantage_t = rho_t (r_t + gamma v_{t+1} - V(x_t))
// log_ratios [T, B] is the learner's log-probability minus the actor's. At the end of an episode
// v_{t+1} and V(x_{t+1}) are both 0 (terminated) or the truncation value.
// Writes value targets v and advantages, both [T, B]. Thread-safe: no state.
void VtraceTargets(const TrajectoryView& trajectory, std::span<const float> log_ratios,
                   const VtraceParameters& parameters, std::span<float> value_targets,
                   std::span<float> advantages);

}  // namespace millrace
