// When the agents of a run began to do what the experiment calls a stage (report.stages).
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "config/experiment.h"

namespace millrace {

struct StageReached {
  std::string name;
  uint64_t env_steps = 0, episodes = 0;
  double elapsed_seconds = 0;
};

// Stages come one after another: the next one is reached once all its statistics, in the mean of
// the last `stage_episodes` episodes, are above or below its thresholds. Thread-compatible.
class StageDetector {
 public:
  explicit StageDetector(const ReportConfig& config);

  // A line of metrics.jsonl: counts since the run began, and means by "environment/NAME" of the
  // newest episodes. Lines come in order.
  struct Line {
    uint64_t env_steps = 0, episodes = 0;
    double elapsed_seconds = 0;
    std::map<std::string, double> environment;
  };
  void Add(const Line& line);
  // All lines of a metrics.jsonl; those that cannot be read are left out, and so is a missing file.
  void AddFile(const std::filesystem::path& metrics);

  const std::vector<StageReached>& reached() const { return reached_; }

 private:
  // Of the window; false if it is not full yet or lacks the statistic.
  bool Mean(const std::string& statistic, double& mean) const;
  bool Holds(const StageConfig& stage) const;

  const std::vector<StageConfig> stages_;
  const uint64_t episodes_;
  std::deque<Line> window_;
  std::vector<StageReached> reached_;
};

}  // namespace millrace
