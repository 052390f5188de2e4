#include "cli/millrace/programs.h"

#include <spdlog/fmt/fmt.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/millrace/run_directory.h"
#include "millrace/core/status.h"

namespace millrace {

namespace {

absl::Status Exec(const std::string& program, const std::vector<std::string>& arguments) {
  MILLRACE_ASSIGN_OR_RETURN(const auto directory, BinariesDirectory());
  const std::string binary = (directory / program).string();
  std::vector<char*> argv = {const_cast<char*>(binary.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(binary.c_str(), argv.data());
  return absl::UnavailableError(fmt::format("cannot start {}: {}", binary, std::strerror(errno)));
}

}  // namespace

absl::Status ExecTorch(const std::vector<std::string>& arguments) {
  return Exec("millrace-torch", arguments);
}

absl::StatusOr<int> RunTorch(const std::vector<std::string>& arguments) {
  return RunProgram("millrace-torch", arguments);
}

absl::StatusOr<int> RunProgram(const std::string& program,
                               const std::vector<std::string>& arguments) {
  const pid_t child = ::fork();
  if (child < 0) return absl::ResourceExhaustedError("cannot start " + program);
  if (child == 0) {
    const absl::Status failed = Exec(program, arguments);
    std::fprintf(stderr, "millrace: %s\n", std::string(failed.message()).c_str());
    ::_exit(4);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace millrace
