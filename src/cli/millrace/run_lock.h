// One launcher per run directory.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "core/run_paths.h"

namespace millrace {

// Holds RUN/lock for as long as it lives; the kernel lets go of it if the process dies.
class RunLock {
 public:
  // kFailedPrecondition if another launcher holds it, with its process id.
  static absl::StatusOr<std::unique_ptr<RunLock>> Acquire(const RunPaths& paths);
  // Whether some launcher holds it now.
  static bool IsHeld(const RunPaths& paths);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  explicit RunLock(int file) : file_(file) {}
  const int file_;
};

}  // namespace millrace
