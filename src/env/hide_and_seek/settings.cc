#include "env/hide_and_seek/settings.h"

#include <algorithm>
#include <cmath>

#include "env/hide_and_seek/settings_reader.h"
#include "millrace/core/status.h"

namespace millrace::hide_and_seek {
namespace {

constexpr double kCell = 0.2;  // metres
constexpr int64_t kMaxTeam = 32;
constexpr int64_t kMaxThings = 100;
constexpr int64_t kMaxSteps = 1'000'000;
constexpr double kMaxMetres = 1000;

constexpr Named<Settings::Reward> kRewards[] = {
    {"joint_zero_sum", Settings::Reward::kJointZeroSum},
    {"joint_mean", Settings::Reward::kJointMean},
    {"selfish", Settings::Reward::kSelfish},
};

// That of the paper's main experiments, without food.
Settings Full() {
  Settings settings;
  settings.scenario = Scenario::kRandomWalls;
  settings.outer_walls_chance = 0.5;
  settings.wall_friction = 1.0;
  settings.hiders = settings.seekers = {1, 3};
  settings.boxes = settings.elongated = {3, 9};
  settings.ramps = 2;
  settings.lock_ramps = true;
  settings.horizon = 240;
  settings.allowed_area = {-6, -6, 12, 12};
  settings.penalize_objects_outside = false;
  return settings;
}

// In whole cells of the same size, so that things and doors stay as they are.
Settings Enlarged(Settings settings, double scale) {
  settings.grid_size = static_cast<int>(std::lround(scale * settings.grid_size));
  settings.floor_size = settings.grid_size * kCell;
  for (double& border : settings.allowed_area) border *= scale;
  settings.team_radius *= scale;
  return settings;
}

// Elongated boxes follow the number of boxes if nobody says otherwise.
void AskThings(SettingsReader& reader, Settings& settings) {
  reader.Ask("hiders", settings.hiders, 1, kMaxTeam);
  reader.Ask("seekers", settings.seekers, 1, kMaxTeam);
  reader.Ask("hiders_anywhere", settings.hiders_anywhere);
  reader.Ask("team_radius", settings.team_radius, 0, kMaxMetres);
  reader.Ask("boxes", settings.boxes, 0, kMaxThings);
  Range& elongated = settings.elongated;
  elongated.low = std::min(elongated.low, settings.boxes.high);
  if (elongated.high > 0) elongated.high = settings.boxes.high;
  reader.Ask("elongated", elongated, 0, settings.boxes.high);
  reader.Ask("ramps", settings.ramps, 0, kMaxThings);
  reader.Ask("lock_ramps", settings.lock_ramps);
  reader.Ask("pad_sites", settings.pad_sites, 0, kMaxThings);
  reader.Ask("show_spawn", settings.show_spawn);
}

void AskEpisode(SettingsReader& reader, Settings& settings) {
  reader.Ask("horizon", settings.horizon, 1, kMaxSteps);
  reader.Ask("preparation", settings.preparation, 0, 1);
  reader.AskArea("allowed_area", settings.allowed_area);
  reader.Ask("penalize_objects_outside", settings.penalize_objects_outside);
  reader.Ask("reward", settings.reward, kRewards);
}

void AskFood(SettingsReader& reader, Settings& settings) {
  reader.Ask("food", settings.food, 0, kMaxThings);
  reader.Ask("food_health", settings.food_health, 1, kMaxSteps);
  reader.Ask("food_radius", settings.food_radius, 0, kMaxMetres);
  reader.Ask("food_reward", settings.food_reward, -1000, 1000);
  reader.Ask("food_respawn_steps", settings.food_respawn_steps, 0, kMaxSteps);
  reader.Ask("eat_when_seen", settings.eat_when_seen);
  reader.Ask("food_shared", settings.food_shared);
}

}  // namespace

int64_t Settings::max_doors() const {
  if (door_cells == 0) return 0;
  switch (scenario) {  // one door a wall at most
    case Scenario::kEmpty:
      return 0;
    case Scenario::kHalf:
      return 1;
    case Scenario::kQuadrant:
    case Scenario::kVarQuadrant:
    case Scenario::kThreeRooms:
      return 2;
    case Scenario::kRandomWalls:
      return rooms.high - 1;
  }
  return 0;
}

// Every step that begins in it. 0.1 of 30 steps are 3, also where the product is a bit more.
int64_t Settings::preparation_steps() const {
  return static_cast<int64_t>(std::ceil(preparation * static_cast<double>(horizon) - 1e-6));
}

absl::StatusOr<Settings> ReadSettings(const Options& options, const std::string& name) {
  const bool quadrant = name == "hide_and_seek_quadrant";
  Settings settings = quadrant ? Settings() : Full();
  SettingsReader reader(options);
  if (name == "hide_and_seek_large") {
    double scale = 1.5;
    bool scale_horizon = false;
    reader.Ask("scale", scale, 1, 4);
    reader.Ask("scale_horizon", scale_horizon);
    settings = Enlarged(settings, scale);
    if (scale_horizon) {
      settings.horizon = std::lround(static_cast<double>(settings.horizon) * scale);
    }
  }
  reader.AskFloor(settings);
  AskThings(reader, settings);
  AskEpisode(reader, settings);
  reader.AskAbilities(settings);
  AskFood(reader, settings);
  MILLRACE_RETURN_IF_ERROR(reader.Finish(name));
  return settings;
}

}  // namespace millrace::hide_and_seek
