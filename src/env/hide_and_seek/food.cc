#include "env/hide_and_seek/food.h"

#include <algorithm>

namespace millrace::hide_and_seek {

Food::Food(const Settings& settings, std::span<const std::array<double, 2>> places)
    : full_health_(settings.food_health), respawn_steps_(settings.food_respawn_steps) {
  for (const auto& [x, y] : places) sites_.push_back({x, y, full_health_, 0});
}

void Food::Set(size_t site, double health, int64_t empty_steps) {
  sites_[site].health = health;
  sites_[site].empty_steps = empty_steps;
}

void Food::Step(std::span<const uint8_t> eats, std::span<double> eaten) {
  for (size_t s = 0; s < sites_.size(); ++s) {
    Site& site = sites_[s];
    int eaters = 0;
    for (size_t a = 0; a < eaten.size(); ++a) eaters += eats[a * sites_.size() + s] != 0 ? 1 : 0;
    if (eaters > 0 && site.health > 0) {
      const double each = std::min(1.0, site.health / eaters);
      for (size_t a = 0; a < eaten.size(); ++a) {
        if (eats[a * sites_.size() + s] != 0) eaten[a] += each;
      }
      site.health = std::max(0.0, site.health - eaters);
      site.empty_steps = 0;
    } else if (site.health <= 0 && ++site.empty_steps >= respawn_steps_) {
      site = {site.x, site.y, full_health_, 0};
    }
  }
}

}  // namespace millrace::hide_and_seek
