#include "env/hide_and_seek/reachable.h"

#include <algorithm>
#include <cmath>

namespace millrace::hide_and_seek {

Reachable::Reachable(const Settings& settings)
    : side_(static_cast<int>(std::lround((settings.floor_size + 2 * kMargin) / kCell))),
      places_(static_cast<size_t>(side_ * side_)) {
  open_.reserve(places_.size());
}

void Reachable::Flood(const Episode& episode) {
  known_ = true;
  std::ranges::fill(places_, Place::kFree);
  for (const Wall& wall : episode.world().plan.walls) {
    const Rect rect = RectOf(wall, episode.settings().cell());
    const auto [x, y] = rect.Middle();
    Block({x, y, 0}, (rect.x1 - rect.x0) / 2, (rect.y1 - rect.y0) / 2, 0);
  }
  const Scene& scene = episode.scene();
  for (int box = 0; box < scene.num_boxes(); ++box) {
    const int body = scene.num_agents() + box;
    if (scene.Position(body)[2] > kHigh) continue;
    Block(scene.Centre(body), scene.size(body)[0] / 2, scene.size(body)[1] / 2,
          scene.Position(body)[3]);
  }
  for (int agent = episode.world().hiders; agent < episode.num_agents(); ++agent) {
    FloodFrom(scene.Centre(agent));
  }
}

bool Reachable::Contains(const Vector3& point) const {
  bool reached = false;
  ForCellsAt(point, [&](int x, int y) {
    reached = reached || (Inside(x, y) && places_[At(x, y)] == Place::kReached);
  });
  return reached;
}

bool Reachable::AnyHider(const Episode& episode) const {
  for (int hider = 0; hider < episode.world().hiders; ++hider) {
    if (Contains(episode.scene().Centre(hider))) return true;
  }
  return false;
}

// Whoever stands close to a box is within its inflated outline: where it is, and around.
template <typename Function>
void Reachable::ForCellsAt(const Vector3& point, Function function) const {
  for (int dy = -kNear; dy <= kNear; ++dy) {
    for (int dx = -kNear; dx <= kNear; ++dx) function(Cell(point[0]) + dx, Cell(point[1]) + dy);
  }
}

// Whoever is beyond the margin is in its outermost cells, which nothing blocks.
int Reachable::Cell(double metres) const {
  const double cell = std::floor((metres + kMargin) / kCell);
  return static_cast<int>(std::clamp(cell, 0.0, side_ - 1.0));
}

void Reachable::Block(const Vector3& centre, double half_x, double half_y, double yaw) {
  const double reach = std::hypot(half_x, half_y) + kInflation;
  for (int y = Cell(centre[1] - reach); y <= Cell(centre[1] + reach); ++y) {
    for (int x = Cell(centre[0] - reach); x <= Cell(centre[0] + reach); ++x) {
      const double dx = (x + 0.5) * kCell - kMargin - centre[0],
                   dy = (y + 0.5) * kCell - kMargin - centre[1];
      const double along = std::cos(yaw) * dx + std::sin(yaw) * dy;
      const double across = std::cos(yaw) * dy - std::sin(yaw) * dx;
      const double out_x = std::max(0.0, std::abs(along) - half_x);
      const double out_y = std::max(0.0, std::abs(across) - half_y);
      if (std::hypot(out_x, out_y) < kInflation) places_[At(x, y)] = Place::kBlocked;
    }
  }
}

// Marks everything that can be reached from a point.
void Reachable::FloodFrom(const Vector3& from) {
  const auto visit = [&](int x, int y) {
    if (!Inside(x, y) || places_[At(x, y)] != Place::kFree) return;
    places_[At(x, y)] = Place::kReached;
    open_.push_back(y * side_ + x);
  };
  ForCellsAt(from, visit);
  while (!open_.empty()) {
    const int x = open_.back() % side_, y = open_.back() / side_;
    open_.pop_back();
    visit(x - 1, y);
    visit(x + 1, y);
    visit(x, y - 1);
    visit(x, y + 1);
  }
}

}  // namespace millrace::hide_and_seek
