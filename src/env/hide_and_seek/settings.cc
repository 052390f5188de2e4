#include "env/hide_and_seek/settings.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "config/place.h"
#include "millrace/core/status.h"

namespace millrace::hide_and_seek {
namespace {

constexpr double kCell = 0.2;  // metres
constexpr int64_t kMaxTeam = 32;
constexpr int64_t kMaxThings = 100;
constexpr int64_t kMaxSteps = 1'000'000;
constexpr double kMaxMetres = 1000;

template <typename Enum>
using Named = std::pair<const char*, Enum>;

constexpr Named<Scenario> kScenarios[] = {
    {"empty", Scenario::kEmpty},        {"half", Scenario::kHalf},
    {"quadrant", Scenario::kQuadrant},  {"var_quadrant", Scenario::kVarQuadrant},
    {"var_tri", Scenario::kThreeRooms}, {"randomwalls", Scenario::kRandomWalls},
};

using Lock = Settings::Lock;
constexpr Named<Lock> kLocks[] = {
    {"all_lock_team_specific", Lock::kAllLockTeamSpecific},
    {"any_lock", Lock::kAnyLock},
    {"all_lock", Lock::kAllLock},
    {"any_lock_specific", Lock::kAnyLockSpecific},
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

// Reads options over the settings so far. Keeps the first wrong list until Finish(), as Options
// keeps what it finds itself.
class SettingsReader {
 public:
  SettingsReader(const Options& options, const Settings& defaults)
      : options_(options), settings_(defaults) {}

  void ReadScale() {
    const double scale = options_.GetDouble("scale", 1.5, 1, 4);
    settings_ = Enlarged(settings_, scale);
    if (options_.GetBool("scale_horizon", false)) horizon_factor_ = scale;
  }

  absl::StatusOr<Settings> Read(const std::string& name) {
    ReadFloor();
    ReadThings();
    ReadEpisode();
    ReadAbilities();
    ReadFood();
    MILLRACE_RETURN_IF_ERROR(options_.Finish(name));
    if (!complaint_.empty()) return absl::InvalidArgumentError(complaint_);
    return settings_;
  }

 private:
  void ReadFloor() {
    Ask("scenario", settings_.scenario, kScenarios);
    Ask("door_cells", settings_.door_cells, 0, 20);
    Ask("door_dropout", settings_.door_dropout, 0, 1);
    Ask("rooms", settings_.rooms, 1, kMaxThings);
    Ask("min_room_cells", settings_.min_room_cells, 3, 100);
    Ask("outer_walls_chance", settings_.outer_walls_chance, 0, 1);
    Ask("wall_friction", settings_.wall_friction, 0, 100);
  }

  // Elongated boxes follow the number of boxes if nobody says otherwise.
  void ReadThings() {
    Ask("hiders", settings_.hiders, 1, kMaxTeam);
    Ask("seekers", settings_.seekers, 1, kMaxTeam);
    Ask("hiders_anywhere", settings_.hiders_anywhere);
    Ask("team_radius", settings_.team_radius, 0, kMaxMetres);
    Ask("boxes", settings_.boxes, 0, kMaxThings);
    Range& elongated = settings_.elongated;
    elongated.low = std::min(elongated.low, settings_.boxes.high);
    if (elongated.high > 0) elongated.high = settings_.boxes.high;
    Ask("elongated", elongated, 0, settings_.boxes.high);
    Ask("ramps", settings_.ramps, 0, kMaxThings);
    Ask("lock_ramps", settings_.lock_ramps);
  }

  void ReadEpisode() {
    settings_.horizon = std::lround(static_cast<double>(settings_.horizon) * horizon_factor_);
    Ask("horizon", settings_.horizon, 1, kMaxSteps);
    Ask("preparation", settings_.preparation, 0, 1);
    AskArea("allowed_area", settings_.allowed_area);
    Ask("penalize_objects_outside", settings_.penalize_objects_outside);
    Ask("zero_sum_joint", settings_.zero_sum_joint);
  }

  void ReadAbilities() {
    Ask("reach", settings_.reach, 0, kMaxMetres);
    Ask("grab_unseen", settings_.grab_unseen);
    Ask("lock_unseen", settings_.lock_unseen);
    Ask("lock", settings_.lock, kLocks);
    double degrees = settings_.cone_half_angle * 360 / std::numbers::pi;
    Ask("cone_degrees", degrees, 0, 360);
    if (options_.Has("cone_degrees")) settings_.cone_half_angle = degrees * std::numbers::pi / 360;
    Ask("cone_uses_corner", settings_.cone_uses_corner);
    Ask("lidar_rays", settings_.lidar_rays, 1, 1000);
    Ask("lidar_range", settings_.lidar_range, 0, kMaxMetres);
  }

  void ReadFood() {
    Ask("food", settings_.food, 0, kMaxThings);
    Ask("food_health", settings_.food_health, 1, kMaxSteps);
    Ask("food_radius", settings_.food_radius, 0, kMaxMetres);
    Ask("food_reward", settings_.food_reward, -1000, 1000);
    Ask("food_respawn_steps", settings_.food_respawn_steps, 0, kMaxSteps);
    Ask("eat_when_seen", settings_.eat_when_seen);
  }

  // Each replaces `value` if there is such an option.
  void Ask(const char* key, bool& value) { value = options_.GetBool(key, value); }
  void Ask(const char* key, double& value, double low, double high) {
    value = options_.GetDouble(key, value, low, high);
  }
  void Ask(const char* key, int64_t& value, int64_t low, int64_t high) {
    value = options_.GetInt(key, value, low, high);
  }
  void Ask(const char* key, int& value, int low, int high) {
    value = static_cast<int>(options_.GetInt(key, value, low, high));
  }

  template <typename Enum, size_t kCount>
  void Ask(const char* key, Enum& value, const Named<Enum> (&names)[kCount]) {
    std::vector<std::string> choices;
    for (const auto& [name, choice] : names) choices.emplace_back(name);
    const auto* const now = std::ranges::find(names, value, &Named<Enum>::second);
    const std::string chosen = options_.GetChoice(key, now->first, choices);
    value = std::ranges::find(names, chosen, &Named<Enum>::first)->second;
  }

  // One number, or the lowest and the highest.
  void Ask(const char* key, Range& value, int64_t low, int64_t high) {
    const auto given = options_.values().find(key);
    if (given == options_.values().end() || !given->second.is_list) {
      return AskOne(key, value, low, high);
    }
    const auto lowest = static_cast<double>(low), highest = static_cast<double>(high);
    const std::vector<double> ends = options_.GetDoubles(key, {lowest, highest});
    const bool valid =
        ends.size() == 2 && ends[0] <= ends[1] && std::ranges::all_of(ends, [&](double end) {
          return end == std::floor(end) && lowest <= end && end <= highest;
        });
    if (valid) {
      value = {static_cast<int64_t>(ends[0]), static_cast<int64_t>(ends[1])};
    } else {
      Complain(key, absl::StrCat("an integer or [lowest, highest], of at least ", low,
                                 " and at most ", high));
    }
  }

  void AskOne(const char* key, Range& value, int64_t low, int64_t high) {
    const int64_t number = options_.GetInt(key, value.low, low, high);
    if (options_.Has(key)) value = {number, number};
  }

  void AskArea(const char* key, std::array<double, 4>& value) {
    const std::vector<double> area = options_.GetDoubles(key, {value.begin(), value.end()});
    if (area.size() == 4 && area[0] < area[2] && area[1] < area[3]) {
      std::ranges::copy(area, value.begin());
      return;
    }
    Complain(key, "[x0, y0, x1, y1] with x0 < x1 and y0 < y1");
  }

  void Complain(const std::string& key, const std::string& expected) {
    if (!complaint_.empty()) return;
    const Options::Value& value = options_.values().at(key);
    complaint_ =
        absl::StrCat(Subject(value.where, value.path.empty() ? key : value.path), ": expected ",
                     expected, ", got [", absl::StrJoin(value.items, ", "), "]");
  }

  const Options& options_;
  Settings settings_;
  double horizon_factor_ = 1;
  std::string complaint_;
};

}  // namespace

// Every step that begins in it. 0.1 of 30 steps are 3, also where the product is a bit more.
int64_t Settings::preparation_steps() const {
  return static_cast<int64_t>(std::ceil(preparation * static_cast<double>(horizon) - 1e-6));
}

absl::StatusOr<Settings> ReadSettings(const Options& options, const std::string& name) {
  const bool quadrant = name == "hide_and_seek_quadrant";
  SettingsReader reader(options, quadrant ? Settings() : Full());
  if (name == "hide_and_seek_large") reader.ReadScale();
  return reader.Read(name);
}

}  // namespace millrace::hide_and_seek
