// Every constant of hide and seek (Baker et al. 2020, arXiv:1909.07528) that an experiment can set.
// What the original fixes in code (sizes of things, masses, gravity) is in scene.cc.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/config/options.h"

namespace millrace::hide_and_seek {

// Inclusive; drawn uniformly each episode.
struct Range {
  int64_t low = 0, high = 0;
  bool operator==(const Range&) const = default;
};

enum class Scenario : uint8_t {
  kEmpty,        // outer walls alone
  kHalf,         // one wall across, the room is one half
  kQuadrant,     // the room is the quadrant of high x and low y
  kVarQuadrant,  // the room takes a fraction in [0.3, 0.6) of each side
  kThreeRooms,   // one half and two quarters, whose borders lie in [0.4, 0.6)
  kRandomWalls,  // up to `rooms` rooms
};

// What is played; all but the first are the paper's transfer tasks (transfer/).
enum class Game : uint8_t {
  kHideAndSeek,
  kLockAndReturn,
  kSequentialLock,
  kBlueprint,
  kShelter,
  kCounting,
};

struct Settings {
  Game game = Game::kHideAndSeek;
  Scenario scenario = Scenario::kQuadrant;

  // The world: a square floor of `floor_size` metres, cut into grid_size x grid_size cells.
  double floor_size = 6;
  int grid_size = 30;
  int door_cells = 2;         // 0: no doors
  double door_dropout = 0.5;  // quadrant: chance that one of its two walls has no door
  std::array<double, 2> room_side = {0.3, 0.6};  // var_quadrant: of the room, in floor sides
  Range rooms = {1, 4};                          // randomwalls
  int min_room_cells = 6;                        // randomwalls
  double outer_walls_chance = 1;                 // randomwalls: of having outer walls
  double wall_friction = 0.01;

  // Who and what is there.
  Range hiders = {2, 2}, seekers = {2, 2};
  Range boxes = {2, 2};      // all boxes
  Range elongated = {0, 0};  // of them; at most as many as there are boxes
  int64_t ramps = 1;
  bool lock_ramps = false;
  bool hiders_anywhere = true;  // quadrant: else hiders begin in the room
  // Where there is no room: the first of a team is placed anywhere, the others about so many metres
  // from it; 0: anywhere too.
  double team_radius = 0.5;

  // Episodes.
  int64_t horizon = 80;       // environment steps of 15 x 5 ms
  int64_t action_repeat = 1;  // of those steps, for which an action is held
  double preparation = 0.4;   // of the horizon: seekers stand still and nobody is paid
  std::array<double, 4> allowed_area = {0.1, 0.1, 5.9, 5.9};  // x0, y0, x1, y1: -10 outside
  bool penalize_objects_outside = true;
  enum class Reward : uint8_t { kJointZeroSum, kJointMean, kSelfish };
  Reward reward = Reward::kJointZeroSum;

  // Grabbing, locking, seeing.
  double reach = 0.25;  // metres from an agent's centre to a thing's surface
  bool grab_unseen = false, lock_unseen = false;
  enum class Lock : uint8_t { kAllLockTeamSpecific, kAnyLock, kAllLock, kAnyLockSpecific };
  Lock lock = Lock::kAllLockTeamSpecific;
  double cone_half_angle = 1.1780972450961724;  // 3 pi / 8
  bool cone_uses_corner = true;  // the original's cone test is off centre by half extents

  // Observations: beside the original's, in world axes with an angle that is not wrapped, where
  // agents look and where things are from there.
  bool egocentric = false;
  bool show_doors = false;  // where the doors are

  // Lidar.
  int64_t lidar_rays = 30;
  double lidar_range = 6;  // what a ray that meets nothing says

  // Food. None in the published environments.
  int64_t food = 0;
  double food_health = 40, food_radius = 0.5, food_reward = 1;
  int64_t food_respawn_steps = 5;
  bool eat_when_seen = false;
  bool food_shared = true;  // every hider is paid the team's mean

  // Transfer tasks. `pad_...`: at least so many rows of others, boxes, ramps, sites and doors are
  // observed, with zeros and masks of 0 for those that are not there.
  int64_t pad_agents = 0, pad_boxes = 0, pad_ramps = 0, pad_sites = 0, pad_doors = 0;
  bool show_sizes = false;  // of boxes, also where all have the same
  bool show_spawn = false, show_cylinder = false;
  double spawn_radius = 0.1;        // metres: so near is back where the agent began
  bool fixed_order = false;         // boxes are locked in the order in which they are observed
  bool ramp_in_every_room = false;  // var_tri
  Range sites = {0, 0};             // of a blueprint
  std::array<double, 2> cylinder = {0, 0};  // lowest and highest diameter in metres; 0: none

  // What observations are padded to.
  int64_t max_agents() const { return hiders.high + seekers.high; }
  int64_t max_boxes() const { return boxes.high; }
  int64_t other_rows() const { return std::max(pad_agents, max_agents() - 1); }
  int64_t box_rows() const { return std::max(pad_boxes, max_boxes()); }
  int64_t ramp_rows() const { return std::max(pad_ramps, ramps); }
  int64_t site_rows() const { return std::max(pad_sites, sites.high); }
  int64_t max_doors() const;
  int64_t door_rows() const { return show_doors ? std::max(pad_doors, max_doors()) : 0; }
  bool keeps_spawn() const { return show_spawn || game == Game::kLockAndReturn; }
  bool shows_sizes() const { return show_sizes || elongated.high > 0; }
  int64_t preparation_steps() const;  // 32 of 80, 96 of 240
  double cell() const { return floor_size / grid_size; }
};

// `name`: hide_and_seek_quadrant, hide_and_seek_full or hide_and_seek_large, whose options
// (defaults) are in docs/environments.md. kInvalidArgument with the place of a wrong option.
absl::StatusOr<Settings> ReadSettings(const Options& options, const std::string& name);

}  // namespace millrace::hide_and_seek
