#include "cli/millrace/run_result.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace millrace {
namespace {

std::filesystem::path FileOf(const RunPaths& paths) { return paths.root() / "result.json"; }

}  // namespace

absl::Status WriteRunResult(const RunPaths& paths, const RunResult& result) {
  const auto path = FileOf(paths);
  const auto temporary = path.string() + ".tmp";
  std::ofstream file(temporary);
  file << nlohmann::json{{"status", static_cast<int>(result.status)},
                         {"reason", result.reason},
                         {"exit_code", result.exit_code},
                         {"elapsed_seconds", result.elapsed_seconds}};
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(temporary, path, error);
  if (!file || error) return absl::ResourceExhaustedError("cannot write " + path.string());
  return absl::OkStatus();
}

absl::StatusOr<RunResult> ReadRunResult(const RunPaths& paths) {
  std::ifstream file(FileOf(paths));
  if (!file) return absl::NotFoundError("the run has not ended");
  const auto json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::DataLossError(FileOf(paths).string() + " is damaged");
  return RunResult{.status = static_cast<RunStatus>(json.value("status", 3)),
                   .reason = json.value("reason", ""),
                   .exit_code = json.value("exit_code", 1),
                   .elapsed_seconds = json.value("elapsed_seconds", 0.0)};
}

void RemoveRunResult(const RunPaths& paths) {
  std::error_code ignored;
  std::filesystem::remove(FileOf(paths), ignored);
}

}  // namespace millrace
