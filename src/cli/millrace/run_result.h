// How a run ended, as the controller found it: RUN/result.json, from which the launcher makes
// summary.json.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/run_paths.h"
#include "report/summary.h"

namespace millrace {

struct RunResult {
  RunStatus status = RunStatus::kFailed;
  std::string reason;  // one line
  int exit_code = 1;
  double elapsed_seconds = 0;  // launch to the moment the run was told to end
};

// Written when the run is told to end, before it drains.
absl::Status WriteRunResult(const RunPaths& paths, const RunResult& result);
// kNotFound while the run goes on.
absl::StatusOr<RunResult> ReadRunResult(const RunPaths& paths);
void RemoveRunResult(const RunPaths& paths);

}  // namespace millrace
