#include "env/hide_and_seek/observation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace millrace::hide_and_seek {
namespace {

constexpr int64_t kAgentFeatures = 10, kPoseFeatures = 9, kSizeFeatures = 3, kLockFeatures = 3,
                  kSiteFeatures = 15, kDoorFeatures = 4;
constexpr int64_t kDirection = 2;  // numbers that `egocentric` adds: a direction, or a place
constexpr int64_t kToDoor = 2;     // that it adds with `show_doors`: an offset

// Appends numbers to a span.
class Row {
 public:
  explicit Row(std::span<float> out) : out_(out) {}
  void Add(double value) { out_[next_++] = static_cast<float>(value); }
  void Add(std::span<const double> values) {
    for (const double value : values) Add(value);
  }

 private:
  std::span<float> out_;
  size_t next_ = 0;
};

// The unit vector in which an agent looks.
std::array<double, 2> Facing(const Scene& scene, int agent) {
  const double heading = scene.Heading(agent);
  return {std::cos(heading), std::sin(heading)};
}

// How far ahead of the agent a place is, and how far to its left.
std::array<double, 2> AheadAndLeft(const Scene& scene, int agent, double x, double y) {
  const auto [ahead_x, ahead_y] = Facing(scene, agent);
  const Vector3 from = scene.Centre(agent);
  const double dx = x - from[0], dy = y - from[1];
  return {dx * ahead_x + dy * ahead_y, dy * ahead_x - dx * ahead_y};
}
std::array<double, 2> AheadAndLeft(const Scene& scene, int agent, int body) {
  const Vector3 centre = scene.ShapeCentre(body);
  return AheadAndLeft(scene, agent, centre[0], centre[1]);
}

// From a place to the middle of the door that is nearest to it; zeros where there is none.
std::array<double, 2> ToNearestDoor(const Episode& episode, double cell, const Vector3& from) {
  std::array<double, 2> nearest = {0, 0};
  double shortest = std::numeric_limits<double>::infinity();
  for (const Door& door : episode.world().plan.doors) {
    const auto [x, y] = OpeningOf(door, cell).Middle();
    const double distance = std::hypot(x - from[0], y - from[1]);
    if (distance >= shortest) continue;
    shortest = distance;
    nearest = {x - from[0], y - from[1]};
  }
  return nearest;
}

void WriteSite(const std::array<double, 2>& site, std::span<float> out) {
  Row row(out);
  for (const auto& [x, y] : kSiteSquare) {
    row.Add(std::array{site[0] + x, site[1] + y, kSiteHeight});
  }
}

}  // namespace

void Observer::WriteAgent(const Episode& episode, int viewer, int agent,
                          std::span<float> out) const {
  const Scene& scene = episode.scene();
  Row row(out);
  row.Add(scene.Position(agent));
  row.Add(scene.Velocity(agent));
  row.Add(episode.is_hider(agent) ? 1 : 0);
  row.Add(episode.progress());
  if (settings_.egocentric) {
    row.Add(Facing(scene, agent));
    if (agent != viewer) {
      row.Add(AheadAndLeft(scene, viewer, agent));
      row.Add(AheadAndLeft(scene, agent, viewer));
    }
  }
  if (to_door_ > 0) row.Add(ToNearestDoor(episode, settings_.cell(), scene.Centre(agent)));
}

Observer::Observer(const Settings& settings)
    : settings_(settings), to_door_(settings.egocentric && settings.door_rows() > 0 ? kToDoor : 0) {
  const int64_t direction = settings.egocentric ? kDirection : 0;
  spec_.fields = {
      {"observation_self", DType::kFloat32, {kAgentFeatures + direction + to_door_}, Extent::kRows},
      {"lidar", DType::kFloat32, {settings.lidar_rays, 1}, Extent::kRows}};
  if (settings.show_cylinder) {
    spec_.fields.push_back({"cylinder", DType::kFloat32, {3}, Extent::kRows});
  }
  if (settings.show_spawn) spec_.fields.push_back({"spawn", DType::kFloat32, {2}, Extent::kRows});
  const int64_t size = settings.shows_sizes() ? kSizeFeatures : 0;
  AddSet("agent_qpos_qvel", "mask_aa_obs", settings.other_rows(),
         kAgentFeatures + 3 * direction + to_door_);
  AddSet("box_obs", "mask_ab_obs", settings.box_rows(),
         kPoseFeatures + size + kLockFeatures + direction + to_door_);
  AddSet("ramp_obs", "mask_ar_obs", settings.ramp_rows(),
         kPoseFeatures + size + (settings.lock_ramps ? kLockFeatures : 0) + direction + to_door_);
  AddSet("site_obs", "mask_as_obs", settings.site_rows(), kSiteFeatures);
  AddSet("food_obs", "mask_af_obs", settings.food, 4 + direction);
  AddSet("door_obs", "mask_ad_obs", settings.door_rows(), kDoorFeatures + direction);
  spec_.fields.insert(spec_.fields.end(), masks_.begin(), masks_.end());
}

void Observer::AddSet(const char* field, const char* mask, int64_t count, int64_t features) {
  if (count == 0) return;
  spec_.fields.push_back({field, DType::kFloat32, {count, features}, Extent::kRows});
  masks_.push_back({mask, DType::kUInt8, {count}, Extent::kRows});
  masks_.push_back({std::string(mask) + "_spoof", DType::kUInt8, {count}, Extent::kRows});
}

void Observer::Write(const Episode& episode, int agent, std::span<const TensorView> views) const {
  for (const TensorView& view : views) std::fill_n(view.data, view.bytes(), std::byte{0});
  const Scene& scene = episode.scene();
  size_t next = 0;
  WriteAgent(episode, agent, agent, views[next++].As<float>());
  scene.rays().CastCircle(scene.Centre(agent), agent, settings_.lidar_range,
                          views[next++].As<float>());
  if (settings_.show_cylinder) {
    const Cylinder cylinder = episode.world().cylinder.value_or(Cylinder());
    Row(views[next++].As<float>()).Add(std::array{cylinder.x, cylinder.y, cylinder.diameter});
  }
  if (settings_.show_spawn) {
    Row(views[next++].As<float>()).Add(episode.world().agents[static_cast<size_t>(agent)]);
  }
  const size_t first_mask = views.size() - masks_.size();
  size_t mask = first_mask;
  // Of the next set: `write` one entity's row, `sees` it.
  const auto add = [&](int64_t most, int there, auto&& write, auto&& sees) {
    if (most == 0) return;
    const TensorView& rows = views[next++];
    const auto width = static_cast<size_t>(rows.shape.back());
    const auto seen = views[mask++].As<uint8_t>(), exists = views[mask++].As<uint8_t>();
    for (int i = 0; i < there; ++i) {
      const auto at = static_cast<size_t>(i);
      write(i, rows.As<float>().subspan(at * width, width));
      seen[at] = sees(i) ? 1 : 0;
      exists[at] = 1;
    }
  };
  const int agents = episode.num_agents(), boxes = scene.num_boxes();
  const auto other = [&](int i) { return (agent - 1 - i + agents) % agents; };
  add(
      settings_.other_rows(), agents - 1,
      [&](int i, std::span<float> row) { WriteAgent(episode, agent, other(i), row); },
      [&](int i) { return episode.sight().Sees(agent, other(i)); });
  add(
      settings_.box_rows(), boxes,
      [&](int i, std::span<float> row) { WriteThing(episode, agent, i, true, true, row); },
      [&](int i) { return episode.sight().Sees(agent, agents + i); });
  add(
      settings_.ramp_rows(), scene.num_things() - boxes,
      [&](int i, std::span<float> row) {
        WriteThing(episode, agent, boxes + i, false, settings_.lock_ramps, row);
      },
      [&](int i) { return episode.sight().Sees(agent, agents + boxes + i); });
  const auto& wanted = episode.world().sites;
  add(
      settings_.site_rows(), static_cast<int>(wanted.size()),
      [&](int i, std::span<float> row) { WriteSite(wanted[static_cast<size_t>(i)], row); },
      [](int) { return true; });
  const auto& sites = episode.food().sites();
  add(
      settings_.food, static_cast<int>(sites.size()),
      [&](int i, std::span<float> out) {
        const Food::Site& site = sites[static_cast<size_t>(i)];
        Row row(out);
        row.Add(std::array{site.x, site.y, kFoodHeight, site.health});
        if (settings_.egocentric) row.Add(AheadAndLeft(scene, agent, site.x, site.y));
      },
      [&](int i) {
        const Food::Site& site = sites[static_cast<size_t>(i)];
        return episode.sight().SeesPoint(agent, {site.x, site.y, kFoodHeight});
      });
  const auto& doors = episode.world().plan.doors;
  add(
      settings_.door_rows(), static_cast<int>(doors.size()),
      [&](int i, std::span<float> row) {
        WriteDoor(scene, agent, doors[static_cast<size_t>(i)], row);
      },
      [](int) { return true; });
}

void Observer::WriteDoor(const Scene& scene, int agent, const Door& door,
                         std::span<float> out) const {
  const Rect opening = OpeningOf(door, settings_.cell());
  const auto [x, y] = opening.Middle();
  Row row(out);
  row.Add(std::array{x, y, opening.x1 - opening.x0, opening.y1 - opening.y0});
  if (settings_.egocentric) row.Add(AheadAndLeft(scene, agent, x, y));
}

void Observer::WriteThing(const Episode& episode, int agent, int thing, bool size, bool locks,
                          std::span<float> out) const {
  const int body = episode.num_agents() + thing;
  const auto position = episode.scene().Position(body);
  Row row(out);
  row.Add(position.first<3>());
  row.Add(std::cos(position[3]));
  row.Add(std::sin(position[3]));
  row.Add(episode.scene().Velocity(body));
  if (settings_.shows_sizes()) {
    row.Add(size ? episode.scene().size(body) : std::array<double, 3>{});
  }
  if (locks) {
    const bool locked = episode.locked(thing);
    const int owner = episode.owner(thing);
    row.Add(locked && owner == agent ? 1 : 0);
    row.Add(locked && episode.is_hider(owner) == episode.is_hider(agent) ? 1 : 0);
    row.Add(locked ? 1 : 0);
  }
  if (settings_.egocentric) row.Add(AheadAndLeft(episode.scene(), agent, body));
  if (to_door_ > 0) {
    row.Add(ToNearestDoor(episode, settings_.cell(), episode.scene().ShapeCentre(body)));
  }
}

}  // namespace millrace::hide_and_seek
