#include "env/hide_and_seek/transfer/shelter.h"

#include <cmath>

namespace millrace::hide_and_seek {
namespace {

constexpr int kRaysPerSide = 25;
constexpr double kPerRay = 0.001;
constexpr double kInset = 1.01;  // cells

}  // namespace

Shelter::Shelter(const Settings& settings) : TaskRules({"exposed", "locked"}) {
  const double low = kInset * settings.cell(), high = settings.floor_size - low;
  for (int i = 0; i < kRaysPerSide; ++i) {
    const double way = (high - low) * i / kRaysPerSide;
    starts_.push_back({low + way, low, 0});
    starts_.push_back({high, low + way, 0});
    starts_.push_back({high - way, high, 0});
    starts_.push_back({low, high - way, 0});
  }
}

int Shelter::RaysThrough(const Episode& episode) const {
  const auto& cylinder = episode.world().cylinder;
  if (!cylinder) return 0;
  constexpr int kNobody = -1;
  int through = 0;
  for (const Vector3& start : starts_) {
    Vector3 way = {cylinder->x - start[0], cylinder->y - start[1], Cylinder::kHeight / 2};
    const double length = std::hypot(way[0], way[1], way[2]);
    for (double& part : way) part /= length;
    const RayCaster::Hit hit = episode.scene().rays().Cast(start, way, kNobody);
    through += hit.body == RayCaster::kCylinders ? 1 : 0;
  }
  return through;
}

void Shelter::Pay(Episode& episode, std::span<const Action> /*actions*/, std::span<float> rewards) {
  through_ = RaysThrough(episode);
  rewards[0] = static_cast<float>(-kPerRay * through_);
}

std::vector<double> Shelter::Measure(const Episode& episode) const {
  return {through_ / static_cast<double>(starts_.size()),
          static_cast<double>(episode.LockedBoxes())};
}

}  // namespace millrace::hide_and_seek
