#include "workers/actor/row_episodes.h"

#include <utility>

#include "core/deadline.h"
#include "millrace/core/status.h"
#include "streams/inference_stream.h"

namespace millrace {

RowEpisodes::RowEpisodes(size_t rows, size_t agents, uint32_t policy,
                         std::optional<Opponents> opponents)
    : agents_(agents),
      policy_(policy),
      episode_return_(rows),
      length_(rows),
      opponents_(std::move(opponents)) {}

void RowEpisodes::Count(const PolicyRows& rows, std::span<const uint8_t> flags, Ledger& ledger,
                        LeagueScore* score) {
  const int64_t now = Clock::now().time_since_epoch().count();
  const uint64_t env_steps = ledger.Get(Counter::kEnvSteps);
  uint64_t agent_steps = 0;
  for (size_t row = 0; row < episode_return_.size(); ++row) {
    // What past versions do is nobody's sample.
    const bool trained = !opponents_.has_value() || opponents_->slots()[row] == 0;
    if ((flags[row] & kRowAbsent) == 0) {
      if (trained) ++agent_steps;
      episode_return_[row] += rows.reward[row];
      length_[row] += 1;
    }
    if (rows.terminated[row] == 0 && rows.truncated[row] == 0) continue;
    if (score != nullptr) score->Add(row / agents_, !trained, episode_return_[row]);
    if (trained) {
      ledger.RecordEpisode({.finished_ns = now,
                            .env_steps = env_steps,
                            .episode_return = episode_return_[row],
                            .length = length_[row],
                            .policy = policy_});
      ledger.Add(Counter::kEpisodes, 1);
    }
    episode_return_[row] = 0;
    length_[row] = 0;
  }
  ledger.Add(Counter::kAgentSteps, agent_steps);
}

void RowEpisodes::DrawOpponents(const EpisodeBegins& begins, uint64_t version, uint64_t step) {
  if (opponents_.has_value()) opponents_->Draw(begins, version, step);
}

std::span<const uint8_t> RowEpisodes::slots() const {
  if (!opponents_.has_value()) return {};
  return opponents_->slots();
}

void RowEpisodes::Save(SnapshotWriter& writer) const {
  writer.AddVector(episode_return_);
  writer.AddVector(length_);
}

absl::Status RowEpisodes::Restore(SnapshotReader& reader) {
  MILLRACE_RETURN_IF_ERROR(reader.NextVector(episode_return_));
  return reader.NextVector(length_);
}

}  // namespace millrace
