// Who and what is there and where it lies at the beginning: Baker et al. 2020 (arXiv:1909.07528),
// placed as in OpenAI's public code.
#include "env/hide_and_seek/world.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/hide_and_seek/placement.h"
#include "env/hide_and_seek/transfer/counting_world.h"
#include "env/hide_and_seek/uniform_int.h"
#include "millrace/core/status.h"

namespace millrace::hide_and_seek {
namespace {

using Areas = std::vector<Cells>;
using Size = std::array<double, 2>;

constexpr int kWorlds = 1000;  // before giving up

constexpr Size kAgentSize = {0.3, 0.3};
constexpr Size kFoodSize = {0.1, 0.1};
constexpr double kFoodTogether = 0.25;                                           // metres
constexpr double kFoodMiddle = 0.25, kSiteMiddle = 0.85, kCylinderMiddle = 0.7;  // of a side
constexpr Thing kCube, kRamp;
constexpr Thing kAlongX = {{1.65, 0.15, 0.5}, 0, 0};
constexpr Thing kAlongY = {{0.15, 1.65, 0.5}, 0, 0};

// Beside the room, behind it, and both; the last two begin in its wall, as in the original.
Areas OutsideOf(const Cells& room, int grid) {
  Areas areas = {
      {1, 1, room.x0, room.y1}, {room.x0, room.y1, grid, grid}, {1, room.y1, room.x0, grid}};
  std::erase_if(areas, [](const Cells& area) { return area.empty(); });
  return areas;
}

// The area in which things of `cells` cells lie in the middle `share` of each side. Of an area's
// cells the last ones are never the first of a thing, as placement.h has it.
Cells MiddleOf(int grid, double share, int cells) {
  const int begin = static_cast<int>((grid - cells) * ((1 - share) / 2) + share);
  const int end = static_cast<int>((grid - cells) * ((1 + share) / 2) - share) + cells + 1;
  return {begin, begin, end, end};
}

std::vector<Thing> DrawBoxes(const Settings& settings, Rng& rng) {
  const int64_t count = UniformInt(settings.boxes, rng);
  const Range& limits = settings.elongated;
  const int elongated =
      UniformInt({std::min(limits.low, count), std::min(limits.high, count)}, rng);
  std::vector<Thing> boxes(static_cast<size_t>(count), kCube);
  std::fill_n(boxes.begin(), elongated, kAlongY);
  std::fill_n(boxes.begin(), UniformInt(0, elongated, rng), kAlongX);
  return boxes;
}

// Draws one world between the walls of a plan. Each Place* is false if something found no place.
// Bound to the `rng` it was given.
class WorldDraw {
 public:
  WorldDraw(const Settings& settings, WallPlan plan, Rng& rng)
      : settings_(settings),
        rng_(rng),
        anywhere_({{1, 1, settings.grid_size, settings.grid_size}}),
        grid_(settings.grid_size, settings.cell()) {
    for (const Wall& wall : plan.walls) grid_.Take(wall);
    world_.plan = std::move(plan);
  }

  std::optional<World> Draw() {
    world_.hiders = UniformInt(settings_.hiders, rng_);
    world_.seekers = UniformInt(settings_.seekers, rng_);
    world_.boxes = DrawBoxes(settings_, rng_);
    world_.ramps.assign(static_cast<size_t>(settings_.ramps), kRamp);
    const bool placed = PlaceCylinder() && PlaceAgents() && Place(world_.boxes, inside()) &&
                        PlaceRamps() && PlaceSites() && PlaceFood();
    if (!placed) return std::nullopt;
    if (settings_.game == Game::kSequentialLock) DrawLockOrder();
    return std::move(world_);
  }

 private:
  bool has_room() const { return !world_.plan.room.empty(); }
  Areas inside() const { return has_room() ? Areas{world_.plan.room} : anywhere_; }
  Areas outside() const {
    return has_room() ? OutsideOf(world_.plan.room, settings_.grid_size) : anywhere_;
  }

  bool PlaceAgents() {
    const double radius = has_room() ? 0 : settings_.team_radius;
    const Areas hiders = settings_.hiders_anywhere ? anywhere_ : inside();
    return PlaceGroup(world_.hiders, kAgentSize, hiders, radius, world_.agents) &&
           PlaceGroup(world_.seekers, kAgentSize, outside(), radius, world_.agents);
  }

  bool PlaceCylinder() {
    const auto& [low, high] = settings_.cylinder;
    if (high == 0) return true;
    const double diameter = rng_.Uniform(low, high);
    const Size size = {diameter, diameter};
    const Areas middle = {MiddleOf(settings_.grid_size, kCylinderMiddle, grid_.CellsOf(diameter))};
    const auto place = grid_.TakeIn(middle, size, rng_);
    if (!place) return false;
    world_.cylinder = {place->corner[0] + diameter / 2, place->corner[1] + diameter / 2, diameter};
    return true;
  }

  bool PlaceRamps() {
    const auto& rooms = world_.plan.rooms;
    if (!settings_.ramp_in_every_room || rooms.empty()) return Place(world_.ramps, anywhere_);
    for (size_t i = 0; i < world_.ramps.size(); ++i) {
      Cells room = rooms[i % rooms.size()];
      ++room.x1;  // as `anywhere_`, which includes the walls beyond
      ++room.y1;
      if (!Place({&world_.ramps[i], 1}, {room})) return false;
    }
    return true;
  }

  // Nothing else begins where a box is wanted.
  bool PlaceSites() {
    const Size size = {kCube.size[0], kCube.size[1]};
    const Areas middle = {MiddleOf(settings_.grid_size, kSiteMiddle, grid_.CellsOf(size[0]))};
    const int count = settings_.sites.high == 0 ? 0 : UniformInt(settings_.sites, rng_);
    for (int i = 0; i < count; ++i) {
      const auto place = grid_.TakeIn(middle, size, rng_);
      if (!place) return false;
      world_.sites.push_back({place->corner[0] + size[0] / 2, place->corner[1] + size[1] / 2});
    }
    return true;
  }

  void DrawLockOrder() {
    auto& order = world_.lock_order;
    order.resize(world_.boxes.size());
    std::iota(order.begin(), order.end(), 0);
    if (settings_.fixed_order) return;
    for (int left = static_cast<int>(order.size()); left > 1; --left) {
      std::swap(order[static_cast<size_t>(left - 1)],
                order[static_cast<size_t>(UniformInt(0, left - 1, rng_))]);
    }
  }

  // In the room, or together in the middle.
  bool PlaceFood() {
    const auto count = static_cast<int>(settings_.food);
    const Areas areas =
        has_room() ? inside() : Areas{MiddleOf(settings_.grid_size, kFoodMiddle, /*cells=*/1)};
    const double radius = has_room() ? 0 : kFoodTogether;
    if (!PlaceGroup(count, kFoodSize, areas, radius, world_.food)) return false;
    for (auto& [x, y] : world_.food) {
      x += kFoodSize[0] / 2;
      y += kFoodSize[1] / 2;
    }
    return true;
  }

  // Appends corners to `corners`. If `radius` > 0 the others are that near the first.
  bool PlaceGroup(int count, const Size& size, const Areas& areas, double radius,
                  std::vector<Size>& corners) {
    std::optional<PlacementGrid::Place> first;
    for (int i = 0; i < count; ++i) {
      const auto place = first && radius > 0 ? grid_.TakeNear(*first, radius, size, rng_)
                                             : grid_.TakeIn(areas, size, rng_);
      if (!place) return false;
      if (!first) first = place;
      corners.push_back(place->corner);
    }
    return true;
  }

  bool Place(std::span<Thing> things, const Areas& areas) {
    for (Thing& thing : things) {
      const auto place = grid_.TakeIn(areas, {thing.size[0], thing.size[1]}, rng_);
      if (!place) return false;
      thing.x = place->corner[0];
      thing.y = place->corner[1];
    }
    return true;
  }

  const Settings& settings_;
  Rng& rng_;
  const Areas anywhere_;
  PlacementGrid grid_;
  World world_;
};

}  // namespace

absl::StatusOr<World> DrawWorld(const Settings& settings, Rng& rng) {
  if (settings.game == Game::kCounting) return DrawCountingWorld(settings, rng);
  for (int redraws = 0; redraws < kWorlds; ++redraws) {
    MILLRACE_ASSIGN_OR_RETURN(WallPlan plan, DrawWalls(settings, rng));
    auto world = WorldDraw(settings, std::move(plan), rng).Draw();
    if (!world) continue;
    world->redraws = redraws;
    return *std::move(world);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("hide and seek: expected fewer things or a larger floor, got up to ",
                   settings.max_agents(), " agents, ", settings.max_boxes(), " boxes, ",
                   settings.ramps, " ramps, ", settings.sites.high, " sites and ", settings.food,
                   " food, which found no place in any of ", kWorlds, " worlds"));
}

}  // namespace millrace::hide_and_seek
