#include "algorithms/gae.h"

#include <vector>

namespace millrace {

void GeneralizedAdvantages(const TrajectoryView& trajectory, const GaeParameters& parameters,
                           std::span<float> advantages, std::span<float> value_targets) {
  const auto rows = static_cast<size_t>(trajectory.rows);
  const float decay = parameters.gamma * parameters.lambda;
  std::vector<float> later(rows, 0.0F);  // the advantage of the step after
  for (int64_t step = trajectory.steps - 1; step >= 0; --step) {
    const size_t begin = static_cast<size_t>(step) * rows;
    const float* reward = trajectory.rewards.data() + begin;
    const float* value = trajectory.values.data() + begin;
    const float* next = value + rows;
    const uint8_t* terminated = trajectory.terminated.data() + begin;
    const uint8_t* truncated = trajectory.truncated.data() + begin;
    const float* truncation = trajectory.truncation_values.data() + begin;
    for (size_t row = 0; row < rows; ++row) {
      const float after = ValueAfter(terminated[row], truncated[row], truncation[row], next[row]);
      const float delta = reward[row] + parameters.gamma * after - value[row];
      const float goes_on = (terminated[row] | truncated[row]) != 0 ? 0.0F : 1.0F;
      later[row] = delta + decay * goes_on * later[row];
      advantages[begin + row] = later[row];
      value_targets[begin + row] = later[row] + value[row];
    }
  }
}

}  // namespace millrace
