// Who sees whom and what: a cone of vision and one ray.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "env/hide_and_seek/scene.h"
#include "env/hide_and_seek/settings.h"

namespace millrace::hide_and_seek {

// Agent a sees body b if b lies within the cone around the direction a faces (its angle less 90
// degrees), seen from above, and a ray from a's centre to the middle of b's shape meets b first.
// Range is unlimited. An agent sees itself. Thread-compatible.
class Sight {
 public:
  Sight(const Settings& settings, const Scene& scene);

  void Update();
  bool Sees(int agent, int body) const {
    return seen_[static_cast<size_t>(agent * scene_.num_bodies() + body)] != 0;
  }
  // Whether the point (of a site, which blocks no ray) is in the cone and nothing lies before it.
  bool SeesPoint(int agent, const Vector3& point) const;

 private:
  bool Look(int agent, int body) const;
  // Where a body is as the cone is concerned: its corner or its centre.
  std::array<double, 2> Place(int body) const;
  bool InCone(int agent, const std::array<double, 2>& place) const;

  const Scene& scene_;
  const bool all_around_;     // the cone is no cone
  const double cone_cosine_;  // of half its angle
  const bool cone_uses_corner_;
  std::vector<uint8_t> seen_;  // [agents, bodies]
};

}  // namespace millrace::hide_and_seek
