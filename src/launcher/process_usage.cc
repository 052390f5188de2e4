#include "launcher/process_usage.h"

#include <time.h>

#include <algorithm>
#include <iterator>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "core/process_identity.h"

namespace millrace {
namespace {

// The kernel's count to the nanosecond; /proc has it in ticks of 10 ms.
double ReadCpuSeconds(pid_t pid) {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

uint64_t ReadRssBytes(pid_t pid) {
  std::istringstream file(ReadProcFile(absl::StrCat("/proc/", pid, "/status")));
  uint64_t kilobytes = 0;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("RssAnon:") && !line.starts_with("RssFile:")) continue;
    std::istringstream fields(line);
    std::string name;
    uint64_t part = 0;
    fields >> name >> part;
    kilobytes += part;
  }
  return kilobytes * 1024;
}

}  // namespace

ProcessUsage ReadProcessUsage(pid_t pid) {
  return {.cpu_seconds = ReadCpuSeconds(pid), .rss_bytes = ReadRssBytes(pid)};
}

void UsageMeter::Started(const std::string& role, bool restart) {
  roles_[role].restarts += restart ? 1 : 0;
}

void UsageMeter::Sample(const std::string& role, pid_t pid) {
  const ProcessUsage usage = ReadProcessUsage(pid);
  RoleUsage& total = roles_[role];
  total.peak_rss_bytes = std::max(total.peak_rss_bytes, usage.rss_bytes);
  Live& live = live_[pid];
  live.role = role;
  live.cpu_seconds = std::max(live.cpu_seconds, usage.cpu_seconds);
}

void UsageMeter::Reaped(const std::string& role, pid_t pid, double cpu_seconds) {
  live_.erase(pid);
  roles_[role].cpu_seconds += cpu_seconds;
}

std::map<std::string, RoleUsage> UsageMeter::Usage() {
  std::map<std::string, RoleUsage> usage = roles_;
  for (auto& [pid, live] : live_) {
    live.cpu_seconds = std::max(live.cpu_seconds, ReadCpuSeconds(pid));
    usage[live.role].cpu_seconds += live.cpu_seconds;
  }
  return usage;
}

}  // namespace millrace
