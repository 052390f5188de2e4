// The common part of the worker binaries' main functions.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "workers/common/worker_process.h"

namespace millrace {

// Starts the worker named by the arguments and runs `body`; returns the exit code.
int RunWorkerMain(int argc, char** argv, const std::function<absl::Status(WorkerProcess&)>& body);

}  // namespace millrace
