// Live progress on a terminal, or plain lines elsewhere.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "report/run_metrics.h"

namespace millrace {

std::string HumanCount(uint64_t count);    // "950", "12.3k", "4.56M"
std::string HumanSeconds(double seconds);  // "8.5 s", "3:05", "2:03:05"

struct ProgressTargets {
  std::optional<uint64_t> env_steps = {};     // stop.env_steps
  std::optional<double> episode_return = {};  // stop.episode_return
  std::vector<std::string> statistics = {};   // report.statistics
  bool dataset = false;                       // steps are samples, and losses stand for returns
};

// One line: steps, rate, return (of a dataset: all loss/*), statistics, stage, versions, lag, reuse
// of samples if there is any, time left to stop.env_steps.
std::string PlainProgress(const RunMetrics& metrics, const ProgressTargets& targets);
// That line, one line a policy if there are several, and one a role: what its time goes into.
std::vector<std::string> LiveProgress(const RunMetrics& metrics, const ProgressTargets& targets);

enum class ProgressMode { kAuto, kPlain, kNone };
// kInvalidArgument: "--progress: expected auto, plain or none, ...".
absl::StatusOr<ProgressMode> ParseProgressMode(const std::string& text);

// Writes to `out`, which must outlive it. kAuto draws over itself on a terminal and is plain
// elsewhere. Thread-compatible.
class ProgressWriter {
 public:
  ProgressWriter(ProgressMode mode, std::FILE* out, ProgressTargets targets);
  // Plain lines come at most every `kPlainSeconds`, live ones each time.
  void Show(const RunMetrics& metrics);
  // Leaves the last picture standing.
  void Finish();

  static constexpr double kPlainSeconds = 2;

 private:
  void Draw(const std::vector<std::string>& lines);

  const ProgressMode mode_;
  std::FILE* const out_;
  const ProgressTargets targets_;
  const bool live_;
  size_t drawn_lines_ = 0;
  std::optional<double> last_plain_;
};

}  // namespace millrace
