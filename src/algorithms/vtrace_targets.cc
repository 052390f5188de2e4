#include "algorithms/vtrace_targets.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace millrace {

void VtraceTargets(const TrajectoryView& trajectory, std::span<const float> log_ratios,
                   const VtraceParameters& parameters, std::span<float> value_targets,
                   std::span<float> advantages) {
  const auto rows = static_cast<size_t>(trajectory.rows);
  std::vector<float> correction(rows, 0.0F);  // v_{t+1} - V(x_{t+1})
  for (int64_t step = trajectory.steps - 1; step >= 0; --step) {
    const size_t begin = static_cast<size_t>(step) * rows;
    for (size_t row = 0; row < rows; ++row) {
      const size_t at = begin + row;
      const float value = trajectory.values[at];
      const float after =
          ValueAfter(trajectory.terminated[at], trajectory.truncated[at],
                     trajectory.truncation_values[at], trajectory.values[at + rows]);
      if ((trajectory.terminated[at] | trajectory.truncated[at]) != 0) correction[row] = 0.0F;
      const float ratio = std::exp(log_ratios[at]);
      const float rho = std::min(parameters.rho_clip, ratio);
      const float c = parameters.lambda * std::min(parameters.c_clip, ratio);
      const float reward = trajectory.rewards[at];
      const float v_next = after + correction[row];
      advantages[at] = rho * (reward + parameters.gamma * v_next - value);
      correction[row] = rho * (reward + parameters.gamma * after - value) +
                        parameters.gamma * c * correction[row];
      value_targets[at] = value + correction[row];
    }
  }
}

}  // namespace millrace
