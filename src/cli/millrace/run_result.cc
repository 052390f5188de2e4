#include "cli/millrace/run_result.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "report/replace_file.h"

namespace millrace {
namespace {

std::filesystem::path FileOf(const RunPaths& paths) { return paths.root() / "result.json"; }

}  // namespace

absl::Status WriteRunResult(const RunPaths& paths, const RunResult& result) {
  return ReplaceFile(FileOf(paths), nlohmann::json{{"status", static_cast<int>(result.status)},
                                                   {"reason", result.reason},
                                                   {"exit_code", result.exit_code},
                                                   {"elapsed_seconds", result.elapsed_seconds}}
                                        .dump());
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
