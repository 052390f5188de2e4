#include "workers/league/past_versions.h"

#include <spdlog/spdlog.h>

#include <string>
#include <utility>

#include "millrace/core/status.h"

namespace millrace {

PastVersions::PastVersions(LeagueStore store, const LeagueConfig& league, MakeModel make_model)
    : store_(std::move(store)),
      slots_(league),
      make_model_(std::move(make_model)),
      players_(static_cast<size_t>(league.opponents)) {}

absl::Status PastVersions::Refresh(uint64_t version) {
  const uint64_t period = slots_.Period(version);
  if (period_ == period) return absl::OkStatus();
  const uint64_t oldest = slots_.OldestPeriod(version);
  for (Player& player : players_) {
    if (player.model != nullptr && slots_.Period(player.version) < oldest) player.model.reset();
  }
  for (const uint64_t past : store_.Versions()) {
    if (past > version || slots_.Period(past) < oldest) continue;
    Player& player = players_[slots_.Slot(slots_.Period(past)) - 1U];
    if (player.model == nullptr) MILLRACE_RETURN_IF_ERROR(Load(past, player));
  }
  period_ = period;
  return absl::OkStatus();
}

absl::Status PastVersions::Load(uint64_t version, Player& player) {
  const auto weights = store_.Read(version);
  if (!weights.ok()) {
    spdlog::warn("league: version {} does not play: {}", version,
                 std::string(weights.status().message()));
    return absl::OkStatus();
  }
  MILLRACE_ASSIGN_OR_RETURN(player.model, make_model_());
  player.version = version;
  return player.model->LoadParameters(*weights);
}

}  // namespace millrace
