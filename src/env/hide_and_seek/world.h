// What one episode begins with: walls, who is there, and where everything lies. Pure data, drawn
// from a seed; scene.h makes a simulation of it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "env/hide_and_seek/settings.h"
#include "millrace/core/rng.h"

namespace millrace::hide_and_seek {

// Cells from (x0, y0) to (x1, y1), both included, in one row or one column. In the world it spans
// the centres of its end cells less half its thickness of 0.1 m (so that perpendicular walls touch
// without overlapping), and 0.05 m to either side.
struct Wall {
  int x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  bool outer = false;  // 4 m high, else 0.5
  bool vertical() const { return x0 == x1; }
  bool operator==(const Wall&) const = default;
};

// The cells cut out of a wall; as a Wall, to say where.
using Door = Wall;

// Cells x0 <= x < x1, y0 <= y < y1.
struct Cells {
  int x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  bool empty() const { return x0 >= x1 || y0 >= y1; }
  bool operator==(const Cells&) const = default;
};

struct WallPlan {
  std::vector<Wall> walls;  // after the doors were cut
  std::vector<Door> doors;
  Cells room;                // where boxes begin; empty: anywhere
  std::vector<Cells> rooms;  // all of them; known of kThreeRooms alone
};

// An axis-aligned rectangle in metres.
struct Rect {
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  std::array<double, 2> Middle() const { return {(x0 + x1) / 2, (y0 + y1) / 2}; }
  bool Overlaps(const Rect& other) const {
    return x0 < other.x1 && other.x0 < x1 && y0 < other.y1 && other.y0 < y1;
  }
};
Rect RectOf(const Wall& wall, double cell);
// What a door leaves free: up to where the walls beside it end, in their thickness.
Rect OpeningOf(const Door& door, double cell);

// A box or a ramp: full size and the corner of lowest x and y, in metres.
struct Thing {
  std::array<double, 3> size = {0.5, 0.5, 0.5};
  double x = 0, y = 0;
};

// Where a box is wanted: the middle and the corners of a cube there, as seen from above from its
// middle, in half the height of the cube.
inline constexpr std::array<std::array<double, 2>, 5> kSiteSquare = {
    {{0, 0}, {-0.25, -0.25}, {-0.25, 0.25}, {0.25, -0.25}, {0.25, 0.25}}};
inline constexpr double kSiteHeight = 0.25;

// Stands upright on the floor and never moves. In metres: its middle and its diameter.
struct Cylinder {
  double x = 0, y = 0, diameter = 0;
  static constexpr double kHeight = 0.5;
};

struct World {
  WallPlan plan;
  int hiders = 0, seekers = 0;
  std::vector<std::array<double, 2>> agents;  // corners; hiders first
  std::vector<Thing> boxes, ramps;
  std::vector<std::array<double, 2>> food;  // centres
  // Of transfer tasks: the order in which boxes are to be locked, sites (centres), and whether each
  // box that is counted goes to high x.
  std::vector<int> lock_order;
  std::vector<std::array<double, 2>> sites;
  std::optional<Cylinder> cylinder;
  std::vector<bool> goes_right;
  int redraws = 0;  // worlds thrown away because something found no place

  int num_agents() const { return hiders + seekers; }
};

// Of the random numbers of an episode's seed: worlds are drawn from this one.
inline constexpr uint64_t kWorldStream = 0;

// Walls and doors of the scenario. kInvalidArgument if 1,000 tries fail: more rooms than fit.
absl::StatusOr<WallPlan> DrawWalls(const Settings& settings, Rng& rng);

// A whole world: walls, hiders, seekers, boxes (first the elongated ones along x, then along y,
// then cubes), ramps, sites, food, after a cylinder, redrawn from the start until everything has a
// place. kInvalidArgument if 1,000 tries fail: the settings ask for more than fits.
absl::StatusOr<World> DrawWorld(const Settings& settings, Rng& rng);

}  // namespace millrace::hide_and_seek
