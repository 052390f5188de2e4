// PPO in one process and one thread: plain eager LibTorch, no streams, no workers, none of our
// kernels. What the dataflow is compared with.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "config/experiment.h"

namespace millrace {

struct SingleProcessFigures {
  int64_t env_steps = 0;
  double seconds = 0;                        // from the first environment step to the last
  double cpu_seconds = 0;                    // the same span
  std::optional<int64_t> env_steps_to_goal;  // stop.episode_return over the last 100 episodes
};

// Trains with the experiment's environment, model and algorithm settings and as many environments
// as its actors have, for `stop.env_steps`. The model is the mlp with the `hidden` widths of the
// experiment's. kUnimplemented for anything but `ppo` and one agent with one discrete action.
absl::StatusOr<SingleProcessFigures> TrainInOneProcess(const ExperimentConfig& config);

}  // namespace millrace
