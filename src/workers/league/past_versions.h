// The past versions of one policy that play now, each in a model of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "config/experiment.h"
#include "millrace/inference/inference_model.h"
#include "workers/league/league_slots.h"
#include "workers/league/league_store.h"

namespace millrace {

// Bound to the thread that acts.
class PastVersions {
 public:
  using MakeModel = std::function<absl::StatusOr<std::unique_ptr<InferenceModel>>()>;

  PastVersions(LeagueStore store, const LeagueConfig& league, MakeModel make_model);

  // Takes in what plays beside `version`. A version that cannot be read is left out, with a line in
  // the log; the status is that of making a model.
  absl::Status Refresh(uint64_t version);
  // Null: nobody plays under that number, which is not 0.
  InferenceModel* Model(uint8_t slot) const { return players_[slot - 1U].model.get(); }

 private:
  struct Player {
    std::unique_ptr<InferenceModel> model;
    uint64_t version = 0;
  };
  // Of a player without a model.
  absl::Status Load(uint64_t version, Player& player);

  const LeagueStore store_;
  const LeagueSlots slots_;
  const MakeModel make_model_;
  std::optional<uint64_t> period_;  // up to which was looked
  std::vector<Player> players_;
};

}  // namespace millrace
