// Exit codes of every Millrace binary (docs/errors.md).
#pragma once

#include "absl/status/status.h"

namespace millrace {

enum ExitCode : int {
  kExitOk = 0,  // a stop condition was reached
  kExitInternal = 1,
  kExitUserMustEdit = 2,
  kExitWorkerFailed = 3,     // for good
  kExitResourceMissing = 4,  // port, memory, disk, LibTorch
  kExitStopped = 5,          // by a signal, after a clean drain
  kExitTimeLimit = 124,      // without the goal, and stop.require_goal is set
};

// What a command that failed with `status` exits with.
int ExitCodeOf(const absl::Status& status);

// "millrace: MESSAGE" on standard error, and the exit code.
int Fail(const absl::Status& status);

}  // namespace millrace
