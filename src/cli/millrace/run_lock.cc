#include "cli/millrace/run_lock.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/file.h>
#include <unistd.h>

#include <string>

namespace millrace {
namespace {

std::string LockFile(const RunPaths& paths) { return (paths.root() / "lock").string(); }

}  // namespace

absl::StatusOr<std::unique_ptr<RunLock>> RunLock::Acquire(const RunPaths& paths) {
  const int file = ::open(LockFile(paths).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return absl::ErrnoToStatus(errno, "cannot open " + LockFile(paths));
  std::unique_ptr<RunLock> lock(new RunLock(file));
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    char holder[32] = {};
    [[maybe_unused]] const ssize_t got = ::pread(file, holder, sizeof(holder) - 1, 0);
    return absl::FailedPreconditionError(
        fmt::format("{0} is running (launcher {1}); end it with `millrace stop {0}` first",
                    paths.root().string(), holder));
  }
  const std::string self = std::to_string(::getpid());
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, self.data(), self.size(), 0) < 0) {
    return absl::ErrnoToStatus(errno, "cannot write " + LockFile(paths));
  }
  return lock;
}

bool RunLock::IsHeld(const RunPaths& paths) {
  const int file = ::open(LockFile(paths).c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool held = ::flock(file, LOCK_SH | LOCK_NB) != 0;
  ::close(file);
  return held;
}

RunLock::~RunLock() { ::close(file_); }

}  // namespace millrace
