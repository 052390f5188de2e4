// The episodes under way in the rows of one policy, and who plays them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "data/ledger.h"
#include "millrace/env/vector_environment.h"
#include "workers/actor/snapshot_codec.h"
#include "workers/league/league_score.h"
#include "workers/league/opponents.h"

namespace millrace {

// Bound to the actor's thread.
class RowEpisodes {
 public:
  // `agents`: rows of an environment. `opponents`: without a league none. `policy`: its index in
  // the ledger's records.
  RowEpisodes(size_t rows, size_t agents, uint32_t policy, std::optional<Opponents> opponents);

  // After a step: adds up what the rows were paid, and records the episodes that ended in the
  // ledger and, with a league, in the score. `flags`: RowFlag of the request that was acted on.
  void Count(const PolicyRows& rows, std::span<const uint8_t> flags, Ledger& ledger,
             LeagueScore* score);
  // Before the next step: who plays the episodes that begin. See Opponents::Draw.
  void DrawOpponents(const EpisodeBegins& begins, uint64_t version, uint64_t step);

  // Of each row LeagueSlots' number; empty without a league.
  std::span<const uint8_t> slots() const;

  // For deterministic runs, in which no past version plays.
  void Save(SnapshotWriter& writer) const;
  absl::Status Restore(SnapshotReader& reader);

 private:
  const size_t agents_;
  const uint32_t policy_;
  std::vector<float> episode_return_;
  std::vector<uint32_t> length_;
  std::optional<Opponents> opponents_;
};

}  // namespace millrace
