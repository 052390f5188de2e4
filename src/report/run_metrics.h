// The state of a run in numbers, read from its ledgers.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "config/experiment.h"
#include "core/run_paths.h"
#include "report/episode_statistics.h"
#include "report/ledger_set.h"
#include "report/profile.h"
#include "report/stages.h"

namespace millrace {

struct PolicyMetrics {
  uint64_t train_steps = 0;
  uint64_t policy_version = 0;
  std::optional<EpisodeMeans> episodes;
};

// Value type. Counts are over the life of the run, restarts and resumes included, and never go
// back.
struct RunMetrics {
  double time = 0;             // unix seconds
  double elapsed_seconds = 0;  // of all launches together
  // Produced by the sample streams. An actor posts each environment step once to the stream of
  // every policy it has agents of, so its count is that of its fullest stream.
  uint64_t env_steps = 0;
  uint64_t agent_steps = 0;
  uint64_t train_steps = 0;  // over all policies
  uint64_t episodes = 0;
  uint64_t policy_version = 0;                // the newest of all policies
  std::optional<EpisodeMeans> episode_means;  // last 100 training episodes
  double steps_per_second = 0;                // environment steps, over the last window
  double policy_lag_mean = 0;                 // of segments consumed in the last window
  uint64_t policy_lag_max = 0;
  // Train steps that a trained sample took part in, mean over all so far (the epochs of a train
  // step do not count). Null before the first.
  std::optional<double> sample_reuse;
  Profile recent;   // over the last window
  Profile profile;  // since the run began
  std::map<std::string, PolicyMetrics> policies;
  // "environment/NAME": means over the episodes that ended in the last window, or the newest there
  // were (EnvironmentSpec::statistics).
  std::map<std::string, double> environment;
  std::vector<StageReached> stages;  // in their order
  // "loss/policy", "backend/flip_rate", ...; the caller's, from trainer reports.
  std::map<std::string, double> training;
  std::optional<GoalReached> goal_reached;
};

// Reads the ledgers again and again. Thread-compatible.
class RunMetricsReader {
 public:
  struct Settings {
    std::filesystem::path ledger_directory;
    std::vector<std::string> policies;   // sorted, as in the experiment
    std::optional<double> goal;          // stop.episode_return
    ReportConfig report = {};            // its stages
    std::filesystem::path metrics = {};  // metrics.jsonl: what a run that goes on has seen before
    double window_seconds = 10;
  };
  explicit RunMetricsReader(Settings settings);
  // Of a run of this experiment.
  static Settings SettingsOf(const ExperimentConfig& config, const RunPaths& paths);

  // `time` and `elapsed_seconds` are of now; elapsed time must not go back.
  const RunMetrics& Read(double time, double elapsed_seconds);
  const RunMetrics& metrics() const { return metrics_; }
  // The ledgers as of the last Read(), for the accounting.
  const LedgerSet& ledgers() const { return ledgers_; }

 private:
  struct Moment {
    double elapsed_seconds = 0;
    uint64_t env_steps = 0;
    uint64_t lag_sum = 0;
    uint64_t lag_count = 0;
    Profile profile;
    std::map<std::string, EpisodeStatistic> statistics = {};  // by name
  };
  void CountProduced();
  void CountTrained();
  void AddEpisodes();
  void CloseWindow(Moment now);

  const Settings settings_;
  LedgerSet ledgers_;
  EpisodeStatistics statistics_;
  StageDetector stages_;
  std::deque<Moment> window_;
  RunMetrics metrics_;
};

}  // namespace millrace
