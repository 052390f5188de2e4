#include "launcher/process_usage.h"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <system_error>
#include <thread>

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

// The second number of /proc/PID/task/TID/schedstat, nanoseconds; zero where the kernel keeps none.
double ReadCpuWaitSeconds(pid_t pid) {
  uint64_t sum = 0;
  std::error_code gone;
  for (const auto& task :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task"), gone)) {
    uint64_t ran = 0, waited = 0;
    std::istringstream(ReadProcFile(task.path().string() + "/schedstat")) >> ran >> waited;
    sum += waited;
  }
  return static_cast<double>(sum) * 1e-9;
}

}  // namespace

ProcessUsage ReadProcessUsage(pid_t pid) {
  return {.cpu_seconds = ReadCpuSeconds(pid),
          .rss_bytes = ReadRssBytes(pid),
          .cpu_wait_seconds = ReadCpuWaitSeconds(pid)};
}

double AvailableCores() {
  cpu_set_t affinity;
  double cores = std::thread::hardware_concurrency();
  if (::sched_getaffinity(0, sizeof(affinity), &affinity) == 0) cores = CPU_COUNT(&affinity);
  // "QUOTA PERIOD" in microseconds, or "max PERIOD".
  double quota = 0, period = 0;
  std::istringstream(ReadProcFile("/sys/fs/cgroup/cpu.max")) >> quota >> period;
  return quota > 0 && period > 0 ? std::min(cores, quota / period) : cores;
}

void UsageMeter::Started(const std::string& role, pid_t pid, bool restart) {
  roles_[role].restarts += restart ? 1 : 0;
  live_[pid] = {.role = role, .cpu_seconds = 0, .started = Clock::now()};
}

void UsageMeter::Sample(const std::string& role, pid_t pid) {
  const ProcessUsage usage = ReadProcessUsage(pid);
  RoleUsage& total = roles_[role];
  total.peak_rss_bytes = std::max(total.peak_rss_bytes, usage.rss_bytes);
  Live& live = live_[pid];
  live.role = role;
  live.cpu_seconds = std::max(live.cpu_seconds, usage.cpu_seconds);
  live.cpu_wait_seconds = std::max(live.cpu_wait_seconds, usage.cpu_wait_seconds);
}

void UsageMeter::Reaped(const std::string& role, pid_t pid, double cpu_seconds) {
  RoleUsage& total = roles_[role];
  total.cpu_seconds += cpu_seconds;
  if (const auto live = live_.find(pid); live != live_.end()) {
    total.lifetime_seconds += live->second.lifetime_seconds();
    total.cpu_wait_seconds += live->second.cpu_wait_seconds;
    live_.erase(live);
  }
}

std::map<std::string, RoleUsage> UsageMeter::Usage() {
  std::map<std::string, RoleUsage> usage = roles_;
  for (auto& [pid, live] : live_) {
    live.cpu_seconds = std::max(live.cpu_seconds, ReadCpuSeconds(pid));
    usage[live.role].cpu_seconds += live.cpu_seconds;
    usage[live.role].lifetime_seconds += live.lifetime_seconds();
    usage[live.role].cpu_wait_seconds += live.cpu_wait_seconds;
  }
  return usage;
}

}  // namespace millrace
