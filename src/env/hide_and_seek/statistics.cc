#include "env/hide_and_seek/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace millrace::hide_and_seek {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
constexpr double kHigh = 0.3;     // metres above the floor: on something
constexpr double kInDoor = 0.35;  // metres between the middles of a door and of what blocks it

// Where each is among Names().
enum Index : size_t {
  kHiddenFraction,
  kHiderReturn,
  kSeekerReturn,
  kMaxBoxMovePrep,
  kMaxRampMovePrep,
  kNumBoxLockPrep,
  kNumRampLockPrep,
  kBoxLockFractionPrep,
  kMaxBoxMove,
  kMaxRampMove,
  kNumBoxLock,
  kNumRampLock,
  kEnclosedPrep,
  kDoorsBlockedPrep,
  kRampInRoomPrep,
  kSeekerHighFraction,
  kSurfDistance,
  kHeldFraction,
  kOutsideFraction,
  kDiscarded,
  kNumStatistics
};

double Share(int64_t part, int64_t whole) {
  return whole == 0 ? kNothing : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

const std::vector<std::string>& Statistics::Names() {
  static const std::vector<std::string> names = {
      "hidden_fraction",    "hider_return",       "seeker_return",      "max_box_move_prep",
      "max_ramp_move_prep", "num_box_lock_prep",  "num_ramp_lock_prep", "box_lock_fraction_prep",
      "max_box_move",       "max_ramp_move",      "num_box_lock",       "num_ramp_lock",
      "enclosed_prep",      "doors_blocked_prep", "ramp_in_room_prep",  "seeker_high_fraction",
      "surf_distance",      "held_fraction",      "outside_fraction",   "discarded"};
  return names;
}

Statistics::Statistics(const Settings& settings, const Episode& episode)
    : settings_(settings), episode_(episode), values_(kNumStatistics, kNothing) {
  const Scene& scene = episode.scene();
  whole_ = episode.step() == 0;
  for (int agent = 0; agent < scene.num_agents(); ++agent) before_.push_back(scene.Centre(agent));
  for (int thing = 0; thing < scene.num_things(); ++thing) {
    began_.push_back(scene.Centre(scene.num_agents() + thing));
  }
  if (!whole_) return;
  for (const Index sum : {kHiderReturn, kSeekerReturn, kSurfDistance}) values_[sum] = 0;
}

void Statistics::Count(std::span<const float> rewards) {
  const Scene& scene = episode_.scene();
  const World& world = episode_.world();
  ++steps_;
  int holding = 0;
  bool high = false, outside = false;
  for (int agent = 0; agent < scene.num_agents(); ++agent) {
    const bool hider = episode_.is_hider(agent);
    values_[hider ? kHiderReturn : kSeekerReturn] +=
        rewards[static_cast<size_t>(agent)] / (hider ? world.hiders : world.seekers);
    holding += scene.held(agent) != Scene::kNoThing ? 1 : 0;
    high = high || (!hider && scene.Position(agent)[2] > kHigh);
    outside = outside || episode_.Outside(agent);
    if (!hider) values_[kSurfDistance] += Surfed(agent);
    before_[static_cast<size_t>(agent)] = scene.Centre(agent);
  }
  held_ += static_cast<double>(holding) / scene.num_agents();
  // The step that was just taken was still of the preparation, or it is paid.
  if (episode_.step() > settings_.preparation_steps()) {
    ++scored_;
    hidden_ += episode_.AnybodySeen() ? 0 : 1;
    high_ += high ? 1 : 0;
    outside_ += outside ? 1 : 0;
  }
  if (whole_ && episode_.step() == settings_.preparation_steps() + 1) {
    CountThings(/*at_end=*/false);
    CountRoom();
  }
}

std::span<const double> Statistics::Finish(bool discarded) {
  values_[kDiscarded] = discarded ? 1 : 0;
  if (discarded || !whole_) return values_;
  CountThings(/*at_end=*/true);
  values_[kHiddenFraction] = Share(hidden_, scored_);
  values_[kSeekerHighFraction] = Share(high_, scored_);
  values_[kOutsideFraction] = Share(outside_, scored_);
  values_[kHeldFraction] = held_ / static_cast<double>(std::max<int64_t>(1, steps_));
  return values_;
}

void Statistics::CountThings(bool at_end) {
  const Scene& scene = episode_.scene();
  double box_move = 0, ramp_move = 0, boxes = 0, ramps = 0;
  for (int thing = 0; thing < scene.num_things(); ++thing) {
    const bool box = thing < scene.num_boxes();
    double& farthest = box ? box_move : ramp_move;
    farthest = std::max(farthest, Moved(thing));
    if (episode_.locked(thing)) ++(box ? boxes : ramps);
  }
  values_[at_end ? kMaxBoxMove : kMaxBoxMovePrep] = box_move;
  values_[at_end ? kMaxRampMove : kMaxRampMovePrep] = ramp_move;
  values_[at_end ? kNumBoxLock : kNumBoxLockPrep] = boxes;
  values_[at_end ? kNumRampLock : kNumRampLockPrep] = ramps;
  if (!at_end && scene.num_boxes() > 0) values_[kBoxLockFractionPrep] = boxes / scene.num_boxes();
}

void Statistics::CountRoom() {
  const Scene& scene = episode_.scene();
  values_[kEnclosedPrep] = HidersEnclosed(settings_, episode_) ? 1 : 0;
  if (episode_.world().plan.room.empty()) return;
  values_[kDoorsBlockedPrep] = DoorsBlocked() ? 1 : 0;
  bool ramp = false;
  for (int thing = scene.num_boxes(); thing < scene.num_things(); ++thing) {
    ramp = ramp || InRoom(scene.Centre(scene.num_agents() + thing));
  }
  values_[kRampInRoomPrep] = ramp ? 1 : 0;
}

double Statistics::Moved(int thing) const {
  const Vector3 now = episode_.scene().Centre(episode_.num_agents() + thing);
  const Vector3& then = began_[static_cast<size_t>(thing)];
  return std::hypot(now[0] - then[0], now[1] - then[1], now[2] - then[2]);
}

bool Statistics::InRoom(const Vector3& point) const {
  const Cells& room = episode_.world().plan.room;
  const double cell = settings_.cell();
  return point[0] >= room.x0 * cell && point[0] < room.x1 * cell && point[1] >= room.y0 * cell &&
         point[1] < room.y1 * cell;
}

bool Statistics::DoorsBlocked() const {
  const Scene& scene = episode_.scene();
  const World& world = episode_.world();
  for (int hider = 0; hider < world.hiders; ++hider) {
    if (!InRoom(scene.Centre(hider))) return false;
  }
  const auto& doors = world.plan.doors;
  return !doors.empty() && std::ranges::all_of(doors, [&](const Door& door) {
    const double x = (door.x0 + door.x1 + 1) * settings_.cell() / 2;
    const double y = (door.y0 + door.y1 + 1) * settings_.cell() / 2;
    for (int thing = 0; thing < scene.num_things(); ++thing) {
      const Vector3 at = scene.Centre(scene.num_agents() + thing);
      if (std::hypot(at[0] - x, at[1] - y) <= kInDoor) return true;
    }
    return false;
  });
}

double Statistics::Surfed(int seeker) const {
  const Scene& scene = episode_.scene();
  const int thing = scene.held(seeker);
  if (thing == Scene::kNoThing || thing >= scene.num_boxes()) return 0;
  const Vector3 at = scene.Centre(seeker);
  const auto [along, across] = scene.InFrameOf(thing, at);
  const auto& size = scene.size(scene.num_agents() + thing);
  const bool on_it = scene.Position(seeker)[2] > kHigh && std::abs(along) < size[0] / 2 &&
                     std::abs(across) < size[1] / 2;
  const Vector3& before = before_[static_cast<size_t>(seeker)];
  return on_it ? std::hypot(at[0] - before[0], at[1] - before[1]) : 0;
}

namespace {

// Where the middle of an agent can be: cells of 0.1 m.
class FloorPlan {
 public:
  FloorPlan(const Settings& settings, const Episode& episode)
      : side_(static_cast<int>(std::lround((settings.floor_size + 2 * kMargin) / kCell))),
        free_(static_cast<size_t>(side_ * side_), 1) {
    for (const Wall& wall : episode.world().plan.walls) {
      const Rect rect = RectOf(wall, settings.cell());
      Block({(rect.x0 + rect.x1) / 2, (rect.y0 + rect.y1) / 2, 0}, (rect.x1 - rect.x0) / 2,
            (rect.y1 - rect.y0) / 2, 0);
    }
    const Scene& scene = episode.scene();
    for (int box = 0; box < scene.num_boxes(); ++box) {
      const int body = scene.num_agents() + box;
      if (scene.Position(body)[2] > kHigh) continue;
      Block(scene.Centre(body), scene.size(body)[0] / 2, scene.size(body)[1] / 2,
            scene.Position(body)[3]);
    }
  }

  // Marks everything that can be reached from a point.
  void Flood(const Vector3& from) {
    std::vector<int> open;
    const auto visit = [&](int x, int y) {
      if (!Inside(x, y) || At(x, y) != 1) return;
      At(x, y) = 2;
      open.push_back(y * side_ + x);
    };
    ForCellsAt(from, visit);
    while (!open.empty()) {
      const int x = open.back() % side_, y = open.back() / side_;
      open.pop_back();
      visit(x - 1, y);
      visit(x + 1, y);
      visit(x, y - 1);
      visit(x, y + 1);
    }
  }

  bool Reached(const Vector3& point) {
    bool reached = false;
    ForCellsAt(point, [&](int x, int y) { reached = reached || (Inside(x, y) && At(x, y) == 2); });
    return reached;
  }

 private:
  static constexpr double kCell = 0.1, kInflation = 0.14;
  // Around the floor, which has no end where there are no outer walls.
  static constexpr double kMargin = 1;
  static constexpr int kNear = 1;

  bool Inside(int x, int y) const { return x >= 0 && y >= 0 && x < side_ && y < side_; }
  uint8_t& At(int x, int y) { return free_[static_cast<size_t>(y * side_ + x)]; }

  // Whoever stands close to a box is within its inflated outline: where it is, and around.
  template <typename Function>
  void ForCellsAt(const Vector3& point, Function function) const {
    for (int dy = -kNear; dy <= kNear; ++dy) {
      for (int dx = -kNear; dx <= kNear; ++dx) function(Cell(point[0]) + dx, Cell(point[1]) + dy);
    }
  }

  // Whoever is beyond the margin is in its outermost cells, which nothing blocks.
  int Cell(double metres) const {
    const double cell = std::floor((metres + kMargin) / kCell);
    return static_cast<int>(std::clamp(cell, 0.0, side_ - 1.0));
  }

  void Block(const Vector3& centre, double half_x, double half_y, double yaw) {
    const double reach = std::hypot(half_x, half_y) + kInflation;
    for (int y = Cell(centre[1] - reach); y <= Cell(centre[1] + reach); ++y) {
      for (int x = Cell(centre[0] - reach); x <= Cell(centre[0] + reach); ++x) {
        const double dx = (x + 0.5) * kCell - kMargin - centre[0],
                     dy = (y + 0.5) * kCell - kMargin - centre[1];
        const double along = std::cos(yaw) * dx + std::sin(yaw) * dy;
        const double across = std::cos(yaw) * dy - std::sin(yaw) * dx;
        const double out_x = std::max(0.0, std::abs(along) - half_x);
        const double out_y = std::max(0.0, std::abs(across) - half_y);
        if (std::hypot(out_x, out_y) < kInflation) At(x, y) = 0;
      }
    }
  }

  const int side_;
  std::vector<uint8_t> free_;  // 0 blocked, 1 free, 2 reached
};

}  // namespace

bool HidersEnclosed(const Settings& settings, const Episode& episode) {
  FloorPlan plan(settings, episode);
  for (int agent = episode.world().hiders; agent < episode.num_agents(); ++agent) {
    plan.Flood(episode.scene().Centre(agent));
  }
  for (int hider = 0; hider < episode.world().hiders; ++hider) {
    if (plan.Reached(episode.scene().Centre(hider))) return false;
  }
  return true;
}

}  // namespace millrace::hide_and_seek
