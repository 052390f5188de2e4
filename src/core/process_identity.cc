#include "core/process_identity.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <sstream>

#include "absl/strings/str_cat.h"

namespace millrace {
namespace {

struct Stat {
  char state = 'X';
  uint64_t start_ticks = 0;
};

Stat ReadStat(int32_t pid) {
  const std::string text = ReadProcFile(absl::StrCat("/proc/", pid, "/stat"));
  // The command name is in parentheses and may itself hold spaces and parentheses.
  const size_t end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos) return {};
  std::istringstream fields(text.substr(end_of_name + 1));
  Stat stat;
  fields >> stat.state;
  std::string skipped;
  constexpr int kFieldsBetweenStateAndStart = 18;
  for (int i = 0; i < kFieldsBetweenStateAndStart; ++i) fields >> skipped;
  fields >> stat.start_ticks;
  return stat;
}

}  // namespace

std::string ReadProcFile(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  constexpr size_t kEnough = 8192;
  std::string text(kEnough, '\0');
  const ssize_t size = ::read(fd, text.data(), text.size());
  ::close(fd);
  text.resize(size < 0 ? 0 : static_cast<size_t>(size));
  return text;
}

ProcessIdentity ThisProcess() { return IdentityOf(::getpid()); }

ProcessIdentity IdentityOf(int32_t pid) { return {pid, ReadStat(pid).start_ticks}; }

std::chrono::nanoseconds Age(const ProcessIdentity& process) {
  if (process.start_ticks == 0) return {};
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  const auto since_boot = std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
  const std::chrono::nanoseconds second = std::chrono::seconds(1);
  return since_boot - second / ::sysconf(_SC_CLK_TCK) * static_cast<int64_t>(process.start_ticks);
}

bool IsAlive(const ProcessIdentity& process) {
  const Stat stat = ReadStat(process.pid);
  return stat.start_ticks != 0 && stat.start_ticks == process.start_ticks && stat.state != 'Z';
}

}  // namespace millrace
