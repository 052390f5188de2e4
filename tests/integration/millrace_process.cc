#include "integration/millrace_process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "core/process_identity.h"
#include "data/ledger.h"

namespace millrace {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr auto kPoll = std::chrono::milliseconds(10);

std::string ReadAll(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

pid_t Start(const std::vector<std::string>& arguments, const std::string& in,
            const std::string& out, const std::string& err) {
  std::vector<std::string> copies = arguments;
  copies.insert(copies.begin(), MILLRACE_BINARY);
  std::vector<char*> argv;
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::dup2(::open(in.c_str(), O_RDONLY), STDIN_FILENO);
  ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), STDOUT_FILENO);
  ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), STDERR_FILENO);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

int ExitCode(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// -1 while it runs.
int TryWait(pid_t pid) {
  int status = 0;
  return ::waitpid(pid, &status, WNOHANG) == pid ? ExitCode(status) : -1;
}

int WaitOrKill(pid_t pid, std::chrono::seconds timeout) {
  const auto deadline = SteadyClock::now() + timeout;
  while (SteadyClock::now() < deadline) {
    if (const int code = TryWait(pid); code >= 0) return code;
    std::this_thread::sleep_for(kPoll);
  }
  ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
  return ExitCode(status);
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "millrace-test-XXXXXX").string();
  path_ = ::mkdtemp(pattern.data());
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

CommandOutput RunMillrace(const std::vector<std::string>& arguments, std::chrono::seconds timeout,
                          const std::string& input) {
  const TemporaryDirectory directory;
  const auto in = directory.path() / "in", out = directory.path() / "out",
             err = directory.path() / "err";
  std::ofstream(in) << input;
  CommandOutput output;
  output.exit_code = WaitOrKill(Start(arguments, in, out, err), timeout);
  output.out = ReadAll(out);
  output.err = ReadAll(err);
  return output;
}

LiveRun::LiveRun(const std::string& command, const std::vector<std::string>& arguments,
                 std::filesystem::path run_directory)
    : directory_(std::move(run_directory)) {
  std::vector<std::string> all = {command};
  all.insert(all.end(), arguments.begin(), arguments.end());
  pid_ = Start(all, "/dev/null", directory_.string() + ".out", directory_.string() + ".err");
}

LiveRun::~LiveRun() {
  if (exit_code_ >= 0) return;
  ::kill(pid_, SIGTERM);
  WaitOrKill(pid_, std::chrono::seconds(10));
}

void LiveRun::Signal(int signal) { ::kill(pid_, signal); }

int LiveRun::Wait(std::chrono::seconds timeout) {
  if (exit_code_ < 0) exit_code_ = WaitOrKill(pid_, timeout);
  return exit_code_;
}

bool LiveRun::Until(const std::function<bool()>& condition, std::chrono::seconds timeout) {
  const auto deadline = SteadyClock::now() + timeout;
  while (SteadyClock::now() < deadline) {
    if (condition()) return true;
    if (exit_code_ >= 0 || (exit_code_ = TryWait(pid_)) >= 0) return condition();
    std::this_thread::sleep_for(kPoll);
  }
  return false;
}

nlohmann::json LiveRun::Metrics() const {
  std::istringstream lines(ReadAll(directory_ / "metrics.jsonl"));
  nlohmann::json newest = nlohmann::json::object();
  for (std::string line; std::getline(lines, line);) {
    auto parsed = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (parsed.is_object()) newest = std::move(parsed);  // the last may be half written
  }
  return newest;
}

std::vector<pid_t> LiveRun::Pids(const std::string& role) const {
  std::vector<pid_t> pids;
  for (const auto& [name, path] : ListLedgers(directory_ / "ledger")) {
    if (name.role != role) continue;
    const auto ledger = Ledger::Read(path);
    if (ledger.ok() && IsAlive(ledger->identity.process))
      pids.push_back(ledger->identity.process.pid);
  }
  return pids;
}

nlohmann::json ReadJson(const std::filesystem::path& file) {
  return nlohmann::json::parse(ReadAll(file), nullptr, /*allow_exceptions=*/false);
}

}  // namespace millrace
