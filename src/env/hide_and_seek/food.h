// Food that hiders eat: sites whose health falls as it is eaten and comes back after a while.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "env/hide_and_seek/settings.h"

namespace millrace::hide_and_seek {

inline constexpr double kFoodHeight = 0.05;  // of its middle, in metres

// Thread-compatible.
class Food {
 public:
  Food(const Settings& settings, std::span<const std::array<double, 2>> places);

  struct Site {
    double x = 0, y = 0, health = 0;
    int64_t empty_steps = 0;  // since the last of it was eaten
  };
  const std::vector<Site>& sites() const { return sites_; }
  void Set(size_t site, double health, int64_t empty_steps);

  // One step: `eats` [agents, sites] says who eats what. Each takes 1 of the health, or what there
  // is is shared; the eaten amount of every agent is added to `eaten` [agents]. Empty sites come
  // back.
  void Step(std::span<const uint8_t> eats, std::span<double> eaten);

 private:
  const double full_health_;
  const int64_t respawn_steps_;
  std::vector<Site> sites_;
};

}  // namespace millrace::hide_and_seek
