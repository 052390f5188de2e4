#include "cli/millrace/run_directory.h"

#include <spdlog/fmt/fmt.h>

#include <fstream>
#include <regex>
#include <vector>

#include "millrace/core/nearest_name.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

absl::Status WriteFile(const fs::path& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) return absl::ResourceExhaustedError(fmt::format("cannot write {}", path.string()));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RunPaths> MakeRunDirectory(const fs::path& runs, const std::string& name,
                                          ExperimentConfig& config) {
  const std::string base = name.empty() ? config.name : name;
  static const std::regex kName("[A-Za-z0-9._-]{1,64}");
  if (!std::regex_match(base, kName) || base == "." || base == "..") {
    return absl::InvalidArgumentError(
        fmt::format("--name: expected 1 to 64 of [A-Za-z0-9._-], got \"{}\"", base));
  }
  std::error_code error;
  fs::create_directories(runs, error);
  fs::path directory = runs / base;
  // create_directory is the test and the reservation in one step.
  for (int suffix = 2; !fs::create_directory(directory, error); ++suffix) {
    if (error) {
      return absl::ResourceExhaustedError(
          fmt::format("cannot make {}: {}", directory.string(), error.message()));
    }
    if (!name.empty()) {
      return absl::AlreadyExistsError(
          fmt::format("{} exists; continue it with `millrace resume {}` or choose another --name",
                      directory.string(), directory.string()));
    }
    directory = runs / fmt::format("{}-{}", base, suffix);
  }
  config.name = directory.filename().string();
  const RunPaths paths(directory);
  for (const fs::path& part : {paths.ledger(), paths.logs(), paths.checkpoints()}) {
    fs::create_directories(part, error);
    if (error) {
      return absl::ResourceExhaustedError(
          fmt::format("cannot make {}: {}", part.string(), error.message()));
    }
  }
  MILLRACE_RETURN_IF_ERROR(WriteFile(paths.config(), DumpExperiment(config)));
  return paths;
}

absl::StatusOr<RunPaths> FindRunDirectory(const std::string& run, const fs::path& runs) {
  for (const fs::path& candidate : {fs::path(run), runs / run}) {
    if (fs::exists(candidate / "config.yaml")) return RunPaths(candidate);
  }
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(runs, error)) {
    names.push_back(entry.path().filename().string());
  }
  return absl::NotFoundError(fmt::format("\"{}\" is not a run directory (no config.yaml in it){}",
                                         run,
                                         DidYouMean(fs::path(run).filename().string(), names)));
}

absl::StatusOr<fs::path> BinariesDirectory() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  const fs::path directory = self.parent_path();
  for (const char* binary : {"millrace-actor", "millrace-torch", "millrace-store"}) {
    if (!fs::exists(directory / binary)) {
      return absl::UnavailableError(fmt::format(
          "{} is not beside {}; build all targets (scripts/quickstart.sh)", binary, self.string()));
    }
  }
  return directory;
}

}  // namespace millrace
