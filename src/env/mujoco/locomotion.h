// Gymnasium's MuJoCo locomotion tasks.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "millrace/env/environment.h"

namespace millrace {

// Gymnasium's MuJoCo tasks, version 5 of each, simulated by MuJoCo: reward for running forwards,
// limit 1000. Observation float64, actions within the motors' ranges, not clipped inside; state:
// qpos, then qvel.
absl::StatusOr<std::unique_ptr<Environment>> MakeHalfCheetah(const Options& options);
absl::StatusOr<std::unique_ptr<Environment>> MakeHopper(const Options& options);
absl::StatusOr<std::unique_ptr<Environment>> MakeWalker2d(const Options& options);
absl::StatusOr<std::unique_ptr<Environment>> MakeAnt(const Options& options);
absl::StatusOr<std::unique_ptr<Environment>> MakeHumanoid(const Options& options);

}  // namespace millrace
