// Which rows of a group of environments are played by past versions of the policy.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "config/experiment.h"
#include "millrace/core/rng.h"
#include "workers/league/episode_begins.h"
#include "workers/league/league_slots.h"

namespace millrace {

// At the begin of an episode a draw decides whether a past version plays, for which team, and
// which. The newest version plays everything else, and only that is trained. Bound to the actor's
// thread.
class Opponents {
 public:
  // `teams`: of each agent of the policy, from 0; -1: in no team. A row is environment x agents +
  // agent, as in PolicyRows. Draws are a function of seed, policy, an environment's slot and step.
  Opponents(const LeagueConfig& league, std::vector<int> teams, int environments, uint64_t seed,
            uint32_t policy, uint64_t first_slot);

  // Draws for the environments in which an episode begins. `version`: the newest that has acted;
  // `step` tells one draw of an environment from another.
  void Draw(const EpisodeBegins& begins, uint64_t version, uint64_t step);

  // 0: the newest version; else LeagueSlots' number. One per row.
  std::span<const uint8_t> slots() const { return row_slots_; }

 private:
  const LeagueSlots slots_;
  const double share_;
  const std::vector<int> teams_;
  const int num_teams_;
  const uint64_t seed_, first_stream_;
  std::vector<uint8_t> row_slots_;
};

}  // namespace millrace
