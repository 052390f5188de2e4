// The policy worker: batched inference for the actors (a policy-inference server).
//
//   main thread   waits on the worker's doorbell (requests and new weights ring it), then calls
//                 PolicyService::Poll
//   control       ControlClient's own thread: lease, commands, name mirror
#pragma once

#include "absl/status/status.h"
#include "millrace/registry/registry.h"
#include "workers/common/worker_process.h"
#include "workers/policy/policy_service.h"

namespace millrace {

// Runs until the controller says drain or exit.
absl::Status RunPolicyWorker(WorkerProcess& process, const Registry& registry,
                             const InferenceModelFactory& make_model);

}  // namespace millrace
