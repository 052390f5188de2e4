// What one policy is trained with, made from the experiment and checked: the same for a trainer and
// for `validate`.
#pragma once

#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"
#include "config/experiment.h"
#include "millrace/registry/torch_registry.h"
#include "workers/common/agent_assignment.h"
#include "workers/common/policy_contract.h"

namespace millrace {

struct Learner {
  std::unique_ptr<Algorithm> algorithm;
  std::unique_ptr<Backend> backend;
  PolicyContract contract;
};

// `policy`: its index in the experiment; `agents`: what it drives. kInvalidArgument, with the place
// in the file, if model, algorithm, backend and sample fields do not exist or do not go together.
absl::StatusOr<Learner> MakeLearner(const TorchRegistry& registry, const ExperimentConfig& config,
                                    size_t policy, const PolicyAgents& agents);

}  // namespace millrace
