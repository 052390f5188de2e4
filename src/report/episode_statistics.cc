#include "report/episode_statistics.h"

#include <algorithm>

namespace millrace {

void EpisodeWindow::Add(const EpisodeRecord& episode) {
  episodes_.push_back(episode);
  if (episodes_.size() > kEpisodeWindow) episodes_.pop_front();
}

std::optional<EpisodeMeans> EpisodeWindow::means() const {
  if (episodes_.empty()) return std::nullopt;
  // Summed anew each time: a running sum would drift and never come back from a NaN.
  EpisodeMeans sum;
  for (const EpisodeRecord& episode : episodes_) {
    sum.episode_return += static_cast<double>(episode.episode_return);
    sum.length += episode.length;
  }
  const auto count = static_cast<double>(episodes_.size());
  return EpisodeMeans{sum.episode_return / count, sum.length / count};
}

void EpisodeStatistics::Add(std::vector<FinishedEpisode> episodes) {
  std::stable_sort(episodes.begin(), episodes.end(), [](const auto& a, const auto& b) {
    return a.record.finished_ns < b.record.finished_ns;
  });
  for (const auto& [source, record] : episodes) {
    all_.Add(record);
    by_policy_[record.policy].Add(record);
    uint64_t& newest = env_steps_[source];
    newest = std::max(newest, record.env_steps);
    if (!goal_ || reached_ || !all_.full() || all_.means()->episode_return < *goal_) continue;
    reached_ = {.env_steps = EnvSteps(), .finished_ns = record.finished_ns};
  }
}

std::optional<EpisodeMeans> EpisodeStatistics::means(uint32_t policy) const {
  const auto found = by_policy_.find(policy);
  return found == by_policy_.end() ? std::nullopt : found->second.means();
}

uint64_t EpisodeStatistics::EnvSteps() const {
  uint64_t total = 0;
  for (const auto& [source, env_steps] : env_steps_) total += env_steps;
  return total;
}

}  // namespace millrace
