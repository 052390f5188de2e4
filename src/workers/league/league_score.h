// What the newest versions win against past ones.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "workers/league/game_score.h"

namespace millrace {

// Of the environments of a group, over all policies: agents that are played by past versions are
// one side of an episode, all others the other. Bound to the actor's thread.
class LeagueScore {
 public:
  explicit LeagueScore(int environments) : games_(static_cast<size_t>(environments)) {}

  // What the episode of an agent has returned, once it ended.
  void Add(size_t environment, bool past, float episode_return) {
    games_[environment].Add(past ? kPast : kNewest, episode_return);
  }
  // The environment's episode is over. It counts if both sides played.
  void Finish(size_t environment) {
    if (const auto outcome = games_[environment].Finish()) {
      total_.won += Points(*outcome);
      ++total_.episodes;
    }
  }
  // Points of the newest versions since the last call.
  struct Total {
    double won = 0;
    uint64_t episodes = 0;
  };
  Total Take() { return std::exchange(total_, Total()); }

 private:
  static constexpr int kNewest = 0, kPast = 1;  // sides of a game
  std::vector<GameScore> games_;
  Total total_;
};

}  // namespace millrace
