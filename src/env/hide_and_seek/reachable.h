// Where seekers can walk to: whether hiders are enclosed, and who has climbed over.
#pragma once

#include <cstdint>
#include <vector>

#include "env/hide_and_seek/episode.h"
#include "env/hide_and_seek/settings.h"

namespace millrace::hide_and_seek {

inline constexpr double kHigh = 0.3;  // metres above the floor: on something

// The floor that seekers reach. Walls and boxes, locked or not, are in the way, ramps are not. On a
// grid of 0.1 m, with agents as wide as 0.28 m. Value type.
class Reachable {
 public:
  // Nothing is known yet.
  explicit Reachable(const Settings& settings);
  // From where seekers are now.
  void Flood(const Episode& episode);
  bool known() const { return known_; }

  // Whether one can walk to somebody who stands there.
  bool Contains(const Vector3& point) const;
  // Whether that is so of any hider of the episode.
  bool AnyHider(const Episode& episode) const;

 private:
  static constexpr double kCell = 0.1, kInflation = 0.14;
  // Around the floor, which has no end where there are no outer walls.
  static constexpr double kMargin = 1;
  static constexpr int kNear = 1;

  bool Inside(int x, int y) const { return x >= 0 && y >= 0 && x < side_ && y < side_; }
  size_t At(int x, int y) const { return static_cast<size_t>(y * side_ + x); }
  template <typename Function>
  void ForCellsAt(const Vector3& point, Function function) const;
  int Cell(double metres) const;
  void Block(const Vector3& centre, double half_x, double half_y, double yaw);
  void FloodFrom(const Vector3& from);

  enum class Place : uint8_t { kBlocked, kFree, kReached };
  const int side_;
  std::vector<Place> places_;
  std::vector<int> open_;  // scratch of a flood: cells whose neighbours are to be visited
  bool known_ = false;
};

}  // namespace millrace::hide_and_seek
