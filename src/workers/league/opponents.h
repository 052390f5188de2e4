// Which rows of a group of environments are played by past versions of the policy.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "config/experiment.h"
#include "millrace/core/rng.h"
#include "workers/league/game_score.h"
#include "workers/league/league_slots.h"

namespace millrace {

// At the begin of an episode a draw decides whether a past version plays, for which team, and
// which. The newest version plays everything else, and only that is trained. Bound to the actor's
// thread.
class Opponents {
 public:
  // `teams`: of each agent of the policy, from 0; -1: in no team. A row is environment x agents +
  // agent, as in PolicyRows.
  Opponents(const LeagueConfig& league, std::vector<int> teams, int environments, uint64_t seed,
            uint64_t first_slot);

  // Draws for the environments in which an episode begins (`first`: of any row). `version`: the
  // newest that has acted; `step` tells one draw of an environment from another.
  void Draw(std::span<const uint8_t> first, uint64_t version, uint64_t step);

  // 0: the newest version; else LeagueSlots' number. One per row.
  std::span<const uint8_t> slots() const { return row_slots_; }

  // Counts what a row's episode has returned, once it ended.
  void Ended(size_t row, float episode_return);
  // What the newest version won against past ones since the last call: 1 for an episode in which
  // its agents returned more in the mean, half for as much. Only of episodes in which the policy
  // plays both teams.
  struct Score {
    double won = 0;
    uint64_t episodes = 0;
  };
  Score TakeScore();

 private:
  static constexpr int kNewest = 0, kPast = 1;  // sides of a game

  const LeagueSlots slots_;
  const double share_;
  const std::vector<int> teams_;
  const int num_teams_;
  const uint64_t seed_, first_slot_;
  std::vector<uint8_t> row_slots_;
  std::vector<GameScore> games_;  // per environment
  Score score_;
};

}  // namespace millrace
