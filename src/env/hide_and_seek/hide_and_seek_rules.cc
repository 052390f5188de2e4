#include "env/hide_and_seek/hide_and_seek_rules.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "env/hide_and_seek/statistics.h"

namespace millrace::hide_and_seek {
namespace {

constexpr float kOutsidePenalty = -10;

// Everybody gets the mean.
template <typename Number>
void Share(std::span<Number> amounts) {
  const Number sum = std::accumulate(amounts.begin(), amounts.end(), Number{0});
  std::ranges::fill(amounts, sum / static_cast<Number>(amounts.size()));
}

}  // namespace

Action HideAndSeekRules::Allowed(const Episode& episode, int agent, const Action& action) const {
  return episode.preparing() && !episode.is_hider(agent) ? Action() : action;
}

double HideAndSeekRules::Progress(const Episode& episode) const {
  const double preparation = settings_.preparation * static_cast<double>(settings_.horizon);
  // The original adds this so that no preparation is no division by zero; 1 is reached a step late.
  constexpr double kEpsilon = 1e-5;
  return std::min(1.0, static_cast<double>(episode.step()) / (preparation + kEpsilon));
}

// Hiders eat what they saw before the step if they are near it after the step.
void HideAndSeekRules::SeeFood(const Episode& episode) {
  const auto& sites = episode.food().sites();
  if (sites.empty()) return;
  eats_.resize(static_cast<size_t>(episode.num_agents()) * sites.size());
  const bool caught = !settings_.eat_when_seen && episode.AnybodySeen();
  for (int agent = 0; agent < episode.num_agents(); ++agent) {
    for (size_t s = 0; s < sites.size(); ++s) {
      const bool may = episode.is_hider(agent) && !caught && !episode.preparing() &&
                       episode.sight().SeesPoint(agent, {sites[s].x, sites[s].y, kFoodHeight});
      eats_[static_cast<size_t>(agent) * sites.size() + s] = may ? 1 : 0;
    }
  }
}

void HideAndSeekRules::Eat(Episode& episode) {
  eaten_.assign(static_cast<size_t>(episode.num_agents()), 0);
  const auto& sites = episode.food().sites();
  if (sites.empty()) return;
  for (int agent = 0; agent < episode.num_agents(); ++agent) {
    const auto corner = episode.scene().Position(agent);
    for (size_t s = 0; s < sites.size(); ++s) {
      const double distance =
          std::hypot(sites[s].x - corner[0], sites[s].y - corner[1], kFoodHeight - corner[2]);
      uint8_t& eats = eats_[static_cast<size_t>(agent) * sites.size() + s];
      if (distance >= settings_.food_radius) eats = 0;
    }
  }
  episode.food().Step(eats_, eaten_);
}

void HideAndSeekRules::Pay(Episode& episode, std::span<const Action> /*actions*/,
                           std::span<float> rewards) {
  Eat(episode);
  if (episode.preparing()) {
    std::ranges::fill(rewards, 0.0F);
    return;
  }
  const bool caught = episode.AnybodySeen();
  const bool joint = settings_.reward == Settings::Reward::kJointZeroSum;
  for (int agent = 0; agent < episode.num_agents(); ++agent) {
    const bool seen = joint ? caught : InSight(episode, agent);
    rewards[static_cast<size_t>(agent)] = seen == episode.is_hider(agent) ? -1.0F : 1.0F;
  }
  const auto hiders = static_cast<size_t>(episode.world().hiders);
  if (settings_.reward == Settings::Reward::kJointMean) {
    Share(rewards.first(hiders));
    Share(rewards.subspan(hiders));
  }
  const bool outside = episode.ThingOutside();
  for (int agent = 0; agent < episode.num_agents(); ++agent) {
    if (outside || episode.Outside(agent)) rewards[static_cast<size_t>(agent)] = kOutsidePenalty;
  }
  if (settings_.food_shared) Share(std::span(eaten_).first(hiders));
  for (size_t hider = 0; hider < hiders; ++hider) {
    rewards[hider] += static_cast<float>(settings_.food_reward * eaten_[hider]);
  }
}

bool HideAndSeekRules::InSight(const Episode& episode, int agent) {
  if (episode.is_hider(agent)) return episode.Seen(agent);
  for (int hider = 0; hider < episode.world().hiders; ++hider) {
    if (episode.sight().Sees(agent, hider)) return true;
  }
  return false;
}

const std::vector<std::string>& HideAndSeekRules::StatisticNames() const {
  return Statistics::Names();
}

std::unique_ptr<Record> HideAndSeekRules::NewRecord(const Episode& episode) const {
  return std::make_unique<Statistics>(settings_, episode);
}

}  // namespace millrace::hide_and_seek
