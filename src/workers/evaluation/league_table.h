// How strong the past versions of a run are against one another: `millrace league`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "config/experiment.h"
#include "core/run_paths.h"
#include "millrace/registry/registry.h"
#include "workers/league/true_skill.h"
#include "workers/policy/policy_service.h"

namespace millrace {

struct LeagueOptions {
  int players = 8;    // versions that play, evenly spaced, the first and the last among them
  int episodes = 50;  // of every pairing
  uint64_t seed = 1000003;
  // Called before each pairing; may be empty.
  std::function<void(int pairing, int pairings)> on_pairing;
};

struct LeaguePlayer {
  uint64_t version = 0;
  Rating rating = {};  // by TrueSkill, from all games
};

// Points are 1 for an episode won, 0.5 for a draw.
struct LeagueTable {
  std::vector<std::string> sides;  // two: a policy's teams, or two policies
  std::vector<LeaguePlayer> players;
  // Mean points of player i on side 0 against player j on side 1; -1 where there are no games.
  std::vector<std::vector<double>> points;

  // Mean points of a player against another, on both sides; -1 where there are no games.
  double PointsAgainst(size_t player, size_t other) const {
    const double here = points[player][other], there = points[other][player];
    return here < 0 || there < 0 ? -1 : (here + 1 - there) / 2;
  }
};

// Every player meets every other on both sides, with actions drawn as in training. Agents of no
// team are played by the newest checkpoint. kFailedPrecondition unless the run has a league of two
// sides with at least two versions.
absl::StatusOr<LeagueTable> PlayLeague(const ExperimentConfig& config, const RunPaths& paths,
                                       const Registry& registry,
                                       const InferenceModelFactory& make_model,
                                       const LeagueOptions& options);

}  // namespace millrace
