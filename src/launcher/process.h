// Starting, signalling and reaping child processes.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millrace {

struct ProcessOptions {
  std::vector<std::string> arguments;              // [0] is the binary's path
  std::map<std::string, std::string> environment;  // added to ours
  std::filesystem::path log_file;                  // standard output and error are appended to it
};

// Starts a process in a process group of its own, with default signal handling, nothing on standard
// input and no other file of ours open. kNotFound, kPermissionDenied and so on if it cannot run.
absl::StatusOr<pid_t> Spawn(const ProcessOptions& options);

struct ProcessExit {
  pid_t pid = 0;
  int exit_code = 0;
  int signal = 0;          // 0: it exited by itself
  double cpu_seconds = 0;  // user + system, with the children it has waited for
};

// Reaps one dead process of the group, if there is one; never blocks. Members that have lost their
// parent are among them if this process is a sub-reaper.
std::optional<ProcessExit> ReapFromGroup(pid_t group);
// False if there is no such group any more.
bool SignalGroup(pid_t group, int signal);

// Orphaned descendants become children of this process from now on, so that they can be reaped.
absl::Status BecomeSubReaper();

}  // namespace millrace
