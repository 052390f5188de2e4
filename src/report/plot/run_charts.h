// The charts of a run, and report.html with everything about it on one page.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/run_paths.h"
#include "report/plot/chart.h"

namespace millrace {

// By name ("episode_return_mean", "steps_per_second", "loss", ...): the curves of metrics.jsonl
// over environment steps. kNotFound if the run has no metrics yet.
absl::StatusOr<std::vector<std::pair<std::string, Chart>>> RunCharts(const RunPaths& paths);

// report.html: verdict, charts, profile, accounts of the streams and configuration. It needs
// nothing but itself. Written whole or not at all; a run that goes on has no verdict yet.
absl::Status WriteReport(const RunPaths& paths);

}  // namespace millrace
