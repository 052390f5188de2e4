// What the processes of a run have used, by role.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

#include "control/controller_core.h"

namespace millrace {

struct ProcessUsage {
  double cpu_seconds = 0;  // user + system of all threads, without children
  uint64_t rss_bytes = 0;  // RssAnon + RssFile: shared memory is not the process's own
};

// From /proc; zeros if there is no such process.
ProcessUsage ReadProcessUsage(pid_t pid);

// Adds up live samples and the dead's final figures. Thread-compatible.
class UsageMeter {
 public:
  void Started(const std::string& role, bool restart);
  void Sample(const std::string& role, pid_t pid);
  // The kernel's final count replaces what was sampled of this process.
  void Reaped(const std::string& role, pid_t pid, double cpu_seconds);
  // Reads the CPU time of the living anew.
  std::map<std::string, RoleUsage> Usage();

 private:
  std::map<std::string, RoleUsage> roles_;  // cpu_seconds: of the dead
  struct Live {
    std::string role;
    double cpu_seconds = 0;
  };
  std::map<pid_t, Live> live_;
};

}  // namespace millrace
