// The trainer worker: one rank of the data-parallel group that trains one policy.
//
//   main thread       joins algorithm and backend: train, publish, checkpoint
//   intake thread     SampleIntake: segments, accounts, credits, next batch
//   checkpoint thread CheckpointWriter: encodes and writes, latest wins
//   control           ControlClient's own thread
//
// Worker INDEX is rank INDEX % count of policy INDEX / count (policies sorted by name).
#pragma once

#include "absl/status/status.h"
#include "millrace/registry/torch_registry.h"
#include "workers/common/worker_process.h"
#include "workers/policy/policy_service.h"

namespace millrace {

// Runs until the controller says drain; then writes the final checkpoint and accounts for every
// segment. `make_model` is used where actors ask the trainer's process for actions.
absl::Status RunTrainerWorker(WorkerProcess& process, const TorchRegistry& registry,
                              const InferenceModelFactory& make_model);

}  // namespace millrace
