// What the processes of a run have used, by role.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "control/controller_core.h"
#include "core/deadline.h"

namespace millrace {

struct ProcessUsage {
  double cpu_seconds = 0;       // user + system of all threads, without children
  uint64_t rss_bytes = 0;       // RssAnon + RssFile: shared memory is not the process's own
  double cpu_wait_seconds = 0;  // living threads that were ready to run, but no core was free
};

// Cores that this process may use: its affinity, and the quota of its control group if less.
double AvailableCores();

// From /proc; zeros if there is no such process.
ProcessUsage ReadProcessUsage(pid_t pid);

// Adds up live samples and the dead's final figures. Thread-compatible.
class UsageMeter {
 public:
  void Started(const std::string& role, pid_t pid, bool restart);
  void Sample(const std::string& role, pid_t pid);
  // The kernel's final count replaces what was sampled of this process.
  void Reaped(const std::string& role, pid_t pid, double cpu_seconds);
  // Reads the CPU time of the living anew; lifetimes are of processes that were Started().
  std::map<std::string, RoleUsage> Usage();

 private:
  std::map<std::string, RoleUsage> roles_;  // times: of the dead
  struct Live {
    std::string role;
    double cpu_seconds = 0;
    double cpu_wait_seconds = 0;
    std::optional<Clock::time_point> started;
    double lifetime_seconds() const { return started ? SecondsSince(*started) : 0; }
  };
  std::map<pid_t, Live> live_;
};

}  // namespace millrace
