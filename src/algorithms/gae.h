// Generalised advantage estimation: Schulman et al. 2016, eq. 16 (arXiv:1506.02438).
#pragma once

#include <cstdint>
#include <span>

namespace millrace {

// What happened in `steps` x `rows` steps; every span is row-major [steps, rows] unless noted.
// Thread-compatible.
struct TrajectoryView {
  int64_t steps = 0;                    // T
  int64_t rows = 0;                     // B
  std::span<const float> rewards;       // paid for the step t -> t+1
  std::span<const float> values;        // [T+1, B]; the last row bootstraps the unfinished tail
  std::span<const uint8_t> terminated;  // the episode ended in a state of value 0
  std::span<const uint8_t> truncated;   // the episode was cut; its last state has ...
  std::span<const float> truncation_values;  // ... this value, not values[t+1]
};

struct GaeParameters {
  float gamma = 0.99F;
  float lambda = 0.95F;
};

// Writes advantages [T, B] and value targets (advantage + value) [T, B]. Both ends of an episode
// cut the sum over later steps; they differ in the value after the step: 0 if terminated (also if
// both flags are set), truncation_values if truncated. Thread-safe: no state.
void GeneralizedAdvantages(const TrajectoryView& trajectory, const GaeParameters& parameters,
                           std::span<float> advantages, std::span<float> value_targets);

// The value after step t of one row, with `next` = values[t+1]. Branch-free, for loops over rows.
inline float ValueAfter(uint8_t terminated, uint8_t truncated, float truncation_value, float next) {
  const float alive = truncated != 0 ? truncation_value : next;
  return terminated != 0 ? 0.0F : alive;
}

}  // namespace millrace
