#include "env/hide_and_seek/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "env/hide_and_seek/scene_model.h"

namespace millrace::hide_and_seek {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
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
  kRampFarPrep,
  kWallCross,
  kSeekerHighFraction,
  kSurfDistance,
  kHiderSpeed,
  kSeekerSpeed,
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
      "hidden_fraction",    "hider_return",         "seeker_return",      "max_box_move_prep",
      "max_ramp_move_prep", "num_box_lock_prep",    "num_ramp_lock_prep", "box_lock_fraction_prep",
      "max_box_move",       "max_ramp_move",        "num_box_lock",       "num_ramp_lock",
      "enclosed_prep",      "doors_blocked_prep",   "ramp_in_room_prep",  "ramp_far_prep",
      "wall_cross",         "seeker_high_fraction", "surf_distance",      "hider_speed",
      "seeker_speed",       "held_fraction",        "outside_fraction",   "discarded"};
  return names;
}

Statistics::Statistics(const Settings& settings, const Episode& episode)
    : settings_(settings),
      episode_(episode),
      reachable_(settings),
      values_(kNumStatistics, kNothing) {
  const Scene& scene = episode.scene();
  whole_ = episode.step() == 0;
  for (int agent = 0; agent < scene.num_agents(); ++agent) before_.push_back(scene.Centre(agent));
  for (int thing = 0; thing < scene.num_things(); ++thing) {
    began_.push_back(scene.Centre(scene.num_agents() + thing));
  }
  places_.resize(before_.size());
  if (!whole_) return;
  for (const Index sum : {kHiderReturn, kSeekerReturn, kSurfDistance, kHiderSpeed, kSeekerSpeed}) {
    values_[sum] = 0;
  }
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
    values_[hider ? kHiderSpeed : kSeekerSpeed] +=
        Travelled(agent) / (hider ? world.hiders : world.seekers);
    if (!hider && reachable_.known()) WatchClimber(agent);
    before_[static_cast<size_t>(agent)] = scene.Centre(agent);
  }
  held_ += static_cast<double>(holding) / scene.num_agents();
  // The step that was just taken was still of the preparation, or it is paid.
  if (episode_.step() > settings_.preparation_steps()) {
    const bool hiders_lose = std::ranges::any_of(rewards.first(static_cast<size_t>(world.hiders)),
                                                 [](float reward) { return reward < 0; });
    ++scored_;
    hidden_ += episode_.AnybodySeen() || hiders_lose ? 0 : 1;
    high_ += high ? 1 : 0;
    outside_ += outside || episode_.ThingOutside() ? 1 : 0;
  }
  if (whole_ && !prepared_ && episode_.progress() == 1) {
    prepared_ = true;
    CountThings(/*at_end=*/false);
    CountRoom();
  }
}

std::span<const double> Statistics::Finish(bool discarded) {
  if (discarded) std::ranges::fill(values_, kNothing);
  values_[kDiscarded] = discarded ? 1 : 0;
  if (discarded || !whole_) return values_;
  CountThings(/*at_end=*/true);
  values_[kHiddenFraction] = Share(hidden_, scored_);
  values_[kSeekerHighFraction] = Share(high_, scored_);
  values_[kOutsideFraction] = Share(outside_, scored_);
  const double seconds = static_cast<double>(std::max<int64_t>(1, steps_)) * kStepSeconds;
  values_[kHiderSpeed] /= seconds;
  values_[kSeekerSpeed] /= seconds;
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
  if (at_end || scene.num_boxes() == 0) return;
  values_[kBoxLockFractionPrep] = boxes / scene.num_boxes();
  if (scene.num_things() > scene.num_boxes()) values_[kRampFarPrep] = RampDistance();
}

// Of the box that is nearest to a ramp, in the mean over ramps.
double Statistics::RampDistance() const {
  const Scene& scene = episode_.scene();
  double sum = 0;
  for (int ramp = scene.num_boxes(); ramp < scene.num_things(); ++ramp) {
    const Vector3 at = scene.Centre(scene.num_agents() + ramp);
    double nearest = std::numeric_limits<double>::infinity();
    for (int box = 0; box < scene.num_boxes(); ++box) {
      const Vector3 there = scene.Centre(scene.num_agents() + box);
      nearest = std::min(nearest, std::hypot(at[0] - there[0], at[1] - there[1]));
    }
    sum += nearest;
  }
  return sum / (scene.num_things() - scene.num_boxes());
}

// A seeker has crossed a wall that climbs from where it could walk to and comes down where it could
// not.
void Statistics::WatchClimber(int seeker) {
  const Scene& scene = episode_.scene();
  Place& place = places_[static_cast<size_t>(seeker)];
  if (scene.Position(seeker)[2] > kHigh) {
    if (place == Place::kWithinReach) place = Place::kUp;
  } else if (reachable_.Contains(scene.Centre(seeker))) {
    place = Place::kWithinReach;
  } else {
    if (place == Place::kUp) values_[kWallCross] = 1;
    place = Place::kBeyond;
  }
}

double Statistics::Travelled(int agent) const {
  const Vector3 at = episode_.scene().Centre(agent);
  const Vector3& before = before_[static_cast<size_t>(agent)];
  return std::hypot(at[0] - before[0], at[1] - before[1]);
}

void Statistics::CountRoom() {
  const Scene& scene = episode_.scene();
  reachable_.Flood(episode_);
  values_[kEnclosedPrep] = reachable_.AnyHider(episode_) ? 0 : 1;
  values_[kWallCross] = 0;
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
    const auto middle = OpeningOf(door, settings_.cell()).Middle();
    for (int thing = 0; thing < scene.num_things(); ++thing) {
      const Vector3 at = scene.Centre(scene.num_agents() + thing);
      if (std::hypot(at[0] - middle[0], at[1] - middle[1]) <= kInDoor) return true;
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
  return on_it ? Travelled(seeker) : 0;
}

}  // namespace millrace::hide_and_seek
