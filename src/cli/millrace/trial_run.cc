#include "cli/millrace/trial_run.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <fstream>

#include "cli/millrace/programs.h"
#include "millrace/core/status.h"

namespace millrace {

namespace fs = std::filesystem;

absl::StatusOr<std::unique_ptr<TrialDirectory>> TrialDirectory::Make() {
  std::string pattern = (fs::temp_directory_path() / "millrace-trial-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    return absl::ResourceExhaustedError("cannot make a temporary directory");
  }
  return std::unique_ptr<TrialDirectory>(new TrialDirectory(pattern));
}

TrialDirectory::~TrialDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

absl::StatusOr<nlohmann::json> ReadTrialResult(const fs::path& path, const std::string& name,
                                               int code) {
  std::ifstream file(path);
  auto result = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (code == 0 && result.is_object()) return result;
  return absl::InternalError(fmt::format("the run {} failed with exit code {}", name, code));
}

absl::StatusOr<nlohmann::json> RunTrial(const fs::path& runs, const std::string& name,
                                        const std::string& config,
                                        const std::vector<std::string>& set) {
  std::vector<std::string> arguments = {"run",        config,        "--name",     name,
                                        "--runs-dir", runs.string(), "--progress", "none"};
  for (const std::string& value : set) arguments.insert(arguments.end(), {"--set", value});
  MILLRACE_ASSIGN_OR_RETURN(const int code, RunProgram("millrace", arguments));
  return ReadTrialResult(runs / name / "summary.json", name, code);
}

}  // namespace millrace
