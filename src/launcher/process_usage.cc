#include "launcher/process_usage.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "core/process_identity.h"

namespace millrace {
namespace {

double ReadCpuSeconds(pid_t pid) {
  const std::string text = ReadProcFile(absl::StrCat("/proc/", pid, "/stat"));
  // The command name is in parentheses and may itself hold spaces and parentheses.
  const size_t end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos) return 0;
  std::istringstream fields(text.substr(end_of_name + 1));
  constexpr int kFieldsBeforeUtime = 11;
  std::string skipped;
  for (int i = 0; i < kFieldsBeforeUtime; ++i) fields >> skipped;
  uint64_t ticks = 0;
  for (int i = 0; i < 4; ++i) {  // utime, stime, cutime, cstime
    uint64_t part = 0;
    fields >> part;
    ticks += part;
  }
  return static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
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

std::map<std::string, RoleUsage> UsageMeter::Usage() const {
  std::map<std::string, RoleUsage> usage = roles_;
  for (const auto& [pid, live] : live_) usage[live.role].cpu_seconds += live.cpu_seconds;
  return usage;
}

}  // namespace millrace
