// Returns and lengths of the newest training episodes of a run, and when they reached the goal.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "data/ledger.h"

namespace millrace {

inline constexpr size_t kEpisodeWindow = 100;

// An episode and the ledger (actor incarnation) it comes from.
struct FinishedEpisode {
  uint64_t source = 0;
  EpisodeRecord record;
};

struct EpisodeMeans {
  double episode_return = 0;
  double length = 0;
};

// The last kEpisodeWindow episodes. Thread-compatible.
class EpisodeWindow {
 public:
  void Add(const EpisodeRecord& episode);
  bool full() const { return episodes_.size() == kEpisodeWindow; }
  std::optional<EpisodeMeans> means() const;  // nullopt before the first episode

 private:
  std::deque<EpisodeRecord> episodes_;
};

// The first moment at which the mean return of the last 100 episodes, 100 being finished, was at
// least the goal.
struct GoalReached {
  uint64_t env_steps = 0;
  int64_t finished_ns = 0;  // CLOCK_MONOTONIC of the episode that did it
};

// Merges the episodes of all actors in the order in which they finished. Thread-compatible.
class EpisodeStatistics {
 public:
  // `goal`: a mean episode return (stop.episode_return).
  explicit EpisodeStatistics(std::optional<double> goal = std::nullopt) : goal_(goal) {}

  // Episodes of one poll, in any order; polls follow each other in time.
  void Add(std::vector<FinishedEpisode> episodes);

  std::optional<EpisodeMeans> means() const { return all_.means(); }
  // By index in the sorted policy names.
  std::optional<EpisodeMeans> means(uint32_t policy) const;
  const std::optional<GoalReached>& goal_reached() const { return reached_; }

 private:
  // Environment steps of the run at the newest episode: over all actors, the newest known count.
  uint64_t EnvSteps() const;

  const std::optional<double> goal_;
  EpisodeWindow all_;
  std::map<uint32_t, EpisodeWindow> by_policy_;
  std::map<uint64_t, uint64_t> env_steps_;  // source -> newest known count
  std::optional<GoalReached> reached_;
};

}  // namespace millrace
