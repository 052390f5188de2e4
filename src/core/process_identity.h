// Who a process is: a pid alone is reused by the kernel, pid and start time together are not.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace millrace {

struct ProcessIdentity {
  int32_t pid = 0;
  uint64_t start_ticks = 0;  // field 22 of /proc/PID/stat
  bool operator==(const ProcessIdentity&) const = default;
};

ProcessIdentity ThisProcess();
// start_ticks is 0 if there is no such process.
ProcessIdentity IdentityOf(int32_t pid);
// How long ago it started, to 10 ms; zero if there is no such process.
std::chrono::nanoseconds Age(const ProcessIdentity& process);
// True if exactly this process still exists and is not a zombie.
bool IsAlive(const ProcessIdentity& process);

// The text of a small file below /proc/PID; empty if there is no such process. Not a stream: a
// process that dies between open and read makes the read fail with ESRCH, which a stream buffer
// throws.
std::string ReadProcFile(const std::string& path);

}  // namespace millrace
