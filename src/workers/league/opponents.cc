#include "workers/league/opponents.h"

#include <algorithm>
#include <utility>

namespace millrace {
namespace {

constexpr uint64_t kDraws = 0x6c65616775650000;  // keeps these draws apart from others of a seed

}  // namespace

Opponents::Opponents(const LeagueConfig& league, std::vector<int> teams, int environments,
                     uint64_t seed, uint32_t policy, uint64_t first_slot)
    : slots_(league),
      share_(league.share),
      teams_(std::move(teams)),
      num_teams_(teams_.empty() ? 0 : *std::ranges::max_element(teams_) + 1),
      seed_(seed ^ kDraws),
      first_stream_((static_cast<uint64_t>(policy) << 48) + first_slot),
      row_slots_(teams_.size() * static_cast<size_t>(environments)) {}

void Opponents::Draw(const EpisodeBegins& begins, uint64_t version, uint64_t step) {
  for (size_t row = 0; row < row_slots_.size(); row += teams_.size()) {
    if (!begins[row / teams_.size()]) continue;
    Rng rng(seed_, first_stream_ + row / teams_.size(), step << 3);
    uint8_t slot = 0;
    int team = 0;
    if (num_teams_ > 0 && rng.Uniform() < share_) {
      const uint64_t oldest = slots_.OldestPeriod(version);
      team = static_cast<int>(rng.Below(static_cast<uint64_t>(num_teams_)));
      slot = slots_.Slot(oldest + rng.Below(slots_.Period(version) - oldest + 1));
    }
    for (size_t agent = 0; agent < teams_.size(); ++agent) {
      row_slots_[row + agent] = teams_[agent] == team ? slot : 0;
    }
  }
}

}  // namespace millrace
