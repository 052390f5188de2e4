// The parameter server: keeps the newest version of every policy and hands it to readers.
//
//   main thread     waits for the controller's command
//   WeightServer    moves versions on its own threads
#pragma once

#include "absl/status/status.h"
#include "workers/common/worker_process.h"

namespace millrace {

// Runs until the controller says exit.
absl::Status RunParameterServerWorker(WorkerProcess& process);

}  // namespace millrace
