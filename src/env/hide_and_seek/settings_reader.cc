#include "env/hide_and_seek/settings_reader.h"

#include <cmath>
#include <numbers>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "config/place.h"
#include "millrace/core/status.h"

namespace millrace::hide_and_seek {
namespace {

constexpr double kMaxMetres = 1000;
constexpr int64_t kMaxRooms = 100;

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

}  // namespace

void SettingsReader::Ask(const char* key, Range& value, int64_t low, int64_t high) {
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

void SettingsReader::AskOne(const char* key, Range& value, int64_t low, int64_t high) {
  const int64_t number = options_.GetInt(key, value.low, low, high);
  if (options_.Has(key)) value = {number, number};
}

void SettingsReader::Ask(const char* key, std::array<double, 2>& value, double low, double high) {
  const std::vector<double> ends = options_.GetDoubles(key, {value.begin(), value.end()});
  if (ends.size() == 2 && low <= ends[0] && ends[0] <= ends[1] && ends[1] <= high) {
    std::ranges::copy(ends, value.begin());
    return;
  }
  Complain(key, absl::StrCat("[lowest, highest], of at least ", low, " and at most ", high));
}

void SettingsReader::AskArea(const char* key, std::array<double, 4>& value) {
  const std::vector<double> area = options_.GetDoubles(key, {value.begin(), value.end()});
  if (area.size() == 4 && area[0] < area[2] && area[1] < area[3]) {
    std::ranges::copy(area, value.begin());
    return;
  }
  Complain(key, "[x0, y0, x1, y1] with x0 < x1 and y0 < y1");
}

void SettingsReader::AskFloor(Settings& settings) {
  Ask("scenario", settings.scenario, kScenarios);
  Ask("door_cells", settings.door_cells, 0, 20);
  Ask("door_dropout", settings.door_dropout, 0, 1);
  Ask("room_side", settings.room_side, 0.2, 0.8);
  Ask("rooms", settings.rooms, 1, kMaxRooms);
  Ask("min_room_cells", settings.min_room_cells, 3, 100);
  Ask("outer_walls_chance", settings.outer_walls_chance, 0, 1);
  Ask("wall_friction", settings.wall_friction, 0, 100);
}

void SettingsReader::AskAbilities(Settings& settings) {
  Ask("action_repeat", settings.action_repeat, 1, 1000);
  Ask("reach", settings.reach, 0, kMaxMetres);
  Ask("grab_unseen", settings.grab_unseen);
  Ask("lock_unseen", settings.lock_unseen);
  Ask("lock", settings.lock, kLocks);
  double degrees = settings.cone_half_angle * 360 / std::numbers::pi;
  Ask("cone_degrees", degrees, 0, 360);
  if (options_.Has("cone_degrees")) settings.cone_half_angle = degrees * std::numbers::pi / 360;
  Ask("cone_uses_corner", settings.cone_uses_corner);
  Ask("egocentric", settings.egocentric);
  Ask("show_doors", settings.show_doors);
  Ask("pad_doors", settings.pad_doors, 0, 100);
  Ask("lidar_rays", settings.lidar_rays, 1, 1000);
  Ask("lidar_range", settings.lidar_range, 0, kMaxMetres);
}

absl::Status SettingsReader::Finish(const std::string& name) const {
  MILLRACE_RETURN_IF_ERROR(options_.Finish(name));
  return complaint_.empty() ? absl::OkStatus() : absl::InvalidArgumentError(complaint_);
}

void SettingsReader::Complain(const std::string& key, const std::string& expected) {
  if (!complaint_.empty()) return;
  const Options::Value& value = options_.values().at(key);
  complaint_ =
      absl::StrCat(Subject(value.where, value.path.empty() ? key : value.path), ": expected ",
                   expected, ", got [", absl::StrJoin(value.items, ", "), "]");
}

}  // namespace millrace::hide_and_seek
