// Which worker processes an experiment consists of.
#pragma once

#include <vector>

#include "config/experiment.h"
#include "control/worker_id.h"

namespace millrace {

// In the order in which they are started. Trainers come first: they take longest to load.
inline std::vector<WorkerId> PlanWorkers(const ExperimentConfig& config) {
  std::vector<WorkerId> plan;
  const auto add = [&plan](const char* role, int count) {
    for (int i = 0; i < count; ++i) plan.push_back({role, static_cast<uint32_t>(i)});
  };
  add("trainer", config.trainer.count * static_cast<int>(config.policies.size()));
  if (config.reads_dataset()) {
    add("reader", config.reader.count);
    return plan;
  }
  add("parameter_server", config.parameter_server.count);
  if (config.actor.inference == InferenceMode::kRemote) add("policy", config.policy_worker.count);
  add("actor", config.actor.count);
  return plan;
}

}  // namespace millrace
