// summary.json: what a run came to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "report/accounting.h"
#include "report/run_metrics.h"

namespace millrace {

enum class RunStatus { kReachedGoal, kReachedLimit, kStopped, kFailed };
std::string Name(RunStatus status);  // "reached_goal", ...

// What the node agents measured of the run's processes, dead ones included.
struct AgentUsage {
  std::map<std::string, double> cpu_seconds_by_role;       // user + system
  std::map<std::string, uint64_t> peak_rss_bytes_by_role;  // largest process of the role
  std::map<std::string, double> cpu_wait_seconds_by_role;  // ready to run, but no core was free
  std::map<std::string, double> lifetime_seconds_by_role;  // from start to end, all processes
  double cores = 0;                                        // that the run may use
  std::map<std::string, uint64_t> restarts_by_role;
  std::map<std::string, std::vector<int32_t>> pids_by_role;  // every process there ever was
};

struct SummaryInput {
  RunStatus status = RunStatus::kFailed;
  std::string reason;  // one line
  RunMetrics metrics;  // read after the last process ended
  Accounting accounting;
  AgentUsage usage;
  double wall_seconds = 0;       // launch to end
  double elapsed_seconds = 0;    // the same of all launches together
  double train_seconds = 0;      // first environment step to end
  double train_cpu_seconds = 0;  // the same span
  double train_cpu_wait_seconds = 0;
  uint64_t env_steps_before = 0;  // of the run before this launch (resume), not part of the rates
  std::optional<double> seconds_to_goal;  // from launch
  bool dataset = false;                   // steps are samples
  std::string millrace_version;
  std::string libtorch_version;
  std::string config_hash;
  uint64_t seed = 0;
};

nlohmann::ordered_json BuildSummary(const SummaryInput& input);
// Atomically: readers see the old file or the new one.
absl::Status WriteSummary(const std::filesystem::path& file, const SummaryInput& input);
// A few lines for the end of `millrace run`.
std::string DescribeSummary(const SummaryInput& input);

}  // namespace millrace
