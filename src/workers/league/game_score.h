// Who won: two sides' returns of one episode.
#pragma once

#include <optional>
#include <utility>

#include "workers/league/true_skill.h"

namespace millrace {

// Value type.
class GameScore {
 public:
  // What the episode of an agent of side 0 or 1 returned.
  void Add(int side, float episode_return) {
    sides_[side].sum += episode_return;
    ++sides_[side].agents;
  }
  // Of side 0, by the mean return of an agent; forgets the episode. Null unless both sides have
  // ended.
  std::optional<Outcome> Finish() {
    const Side first = std::exchange(sides_[0], {}), second = std::exchange(sides_[1], {});
    if (first.agents == 0 || second.agents == 0) return std::nullopt;
    const double difference = first.sum / first.agents - second.sum / second.agents;
    if (difference == 0) return Outcome::kDraw;
    return difference > 0 ? Outcome::kWin : Outcome::kLoss;
  }

 private:
  struct Side {
    double sum = 0;
    int agents = 0;
  };
  Side sides_[2];
};

// Wins count 1, draws half.
inline double Points(Outcome outcome) {
  return outcome == Outcome::kWin ? 1 : outcome == Outcome::kDraw ? 0.5 : 0;
}

}  // namespace millrace
