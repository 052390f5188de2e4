// Plays episodes with frozen weights: `millrace eval` and `millrace play`.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "checkpoint/checkpoint_store.h"
#include "config/experiment.h"
#include "env/watched_environment.h"
#include "millrace/registry/registry.h"
#include "workers/common/agent_assignment.h"
#include "workers/common/environment_buffers.h"
#include "workers/policy/policy_service.h"

namespace millrace {

struct EvaluationOptions {
  int episodes = 100;       // at least 1
  bool sample = false;      // draw actions; otherwise the most likely one
  uint64_t seed = 1000003;  // of the episodes: not those of training
  int environments = 16;    // stepped together
  // Sees every moment of the environments (play); may be null, must outlive the call.
  EnvironmentWatcher* watcher = nullptr;
  // Called after every step; false: that is enough. May be empty.
  std::function<bool(const EnvironmentBuffers& buffers)> on_step;
};

struct EpisodeStatistics {
  int64_t episodes = 0;
  double return_mean = 0, return_std = 0, return_min = 0, return_max = 0;
  double length_mean = 0;
};

struct EvaluationResult {
  EpisodeStatistics all;                              // over all agents
  std::map<std::string, EpisodeStatistics> policies;  // by policy
  uint64_t train_steps = 0;
};

// The weights of a policy, as its model lays them out.
using WeightsOf = std::function<absl::StatusOr<std::vector<std::byte>>(
    const std::string& policy, const ParameterLayout& layout)>;

// Plays exactly `episodes` of every agent; how many each environment plays is fixed in advance, so
// that short ones are not counted more often. Fewer if on_step says so.
absl::StatusOr<EvaluationResult> Evaluate(const ExperimentConfig& config,
                                          const WeightsOf& weights_of, const Registry& registry,
                                          const InferenceModelFactory& make_model,
                                          const EvaluationOptions& options);
// With the weights of a checkpoint, whose train_steps are in the result.
absl::StatusOr<EvaluationResult> Evaluate(const ExperimentConfig& config,
                                          const Checkpoint& checkpoint, const Registry& registry,
                                          const InferenceModelFactory& make_model,
                                          const EvaluationOptions& options);

}  // namespace millrace
