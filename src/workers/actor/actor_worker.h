// The actor worker: simulates a ring of environment groups.
//
//   main thread   waits on the worker's doorbell (replies, credits and freed slots ring it) and
//                 advances every group that has something: the simulation of one hides the
//                 inference of the others, and no group waits for the head of the ring
//   control       ControlClient's own thread
//
// With `inference: inline` the actor owns a PolicyService and its in-process stream, and answers
// itself.
#pragma once

#include "absl/status/status.h"
#include "millrace/registry/registry.h"
#include "workers/common/worker_process.h"
#include "workers/policy/policy_service.h"

namespace millrace {

// Runs until the controller says drain or exit; a drained actor leaves when its segments are
// acknowledged.
absl::Status RunActorWorker(WorkerProcess& process, const Registry& registry,
                            const InferenceModelFactory& make_model);

}  // namespace millrace
