#include "env/hide_and_seek/transfer/transfer_settings.h"

#include <algorithm>

#include "env/hide_and_seek/settings_reader.h"
#include "env/hide_and_seek/transfer/counting.h"
#include "env/hide_and_seek/transfer/counting_world.h"
#include "millrace/core/status.h"

namespace millrace::hide_and_seek {
namespace {

constexpr int64_t kMaxSteps = 1'000'000;
constexpr int64_t kMaxRows = 100;
constexpr double kMaxMetres = 1000;

// The same in all tasks.
Settings OneHider(Game game) {
  Settings settings;
  settings.game = game;
  settings.scenario = Scenario::kEmpty;
  settings.hiders = {1, 1};
  settings.seekers = settings.boxes = settings.elongated = {0, 0};
  settings.ramps = 0;
  settings.preparation = 0;
  return settings;
}

Settings Defaults(Game game) {
  Settings settings = OneHider(game);
  switch (game) {
    case Game::kHideAndSeek:
      break;
    case Game::kLockAndReturn:
      settings.scenario = Scenario::kRandomWalls;
      settings.rooms = {6, 6};
      settings.wall_friction = 1;
      settings.boxes = {1, 1};
      settings.horizon = 120;
      break;
    case Game::kSequentialLock:
      settings.scenario = Scenario::kThreeRooms;
      settings.door_cells = 0;
      settings.wall_friction = 1;
      settings.boxes = {4, 4};
      settings.ramps = 3;
      settings.ramp_in_every_room = settings.lock_ramps = true;
      settings.horizon = 120;
      break;
    case Game::kBlueprint:
      settings.boxes = {8, 8};
      settings.sites = {1, 4};
      settings.horizon = 150;
      break;
    case Game::kShelter:
      settings.boxes = {8, 8};
      settings.elongated = {3, 3};
      settings.cylinder = {1.5, 2};
      settings.show_cylinder = true;
      settings.horizon = 240;
      break;
    case Game::kCounting:
      settings.boxes = {kCountedBoxes, kCountedBoxes};
      break;
  }
  return settings;
}

void AskBoxes(SettingsReader& reader, Settings& settings) {
  reader.Ask("boxes", settings.boxes, 1, kMaxRows);
  Range& elongated = settings.elongated;
  elongated = {std::min(elongated.low, settings.boxes.high),
               std::min(elongated.high, settings.boxes.high)};
}

// What a task has of its own, and how long it takes.
void AskTask(SettingsReader& reader, Settings& settings) {
  if (settings.game != Game::kCounting) reader.Ask("horizon", settings.horizon, 1, kMaxSteps);
  switch (settings.game) {
    case Game::kHideAndSeek:
      return;
    case Game::kLockAndReturn:
      reader.AskFloor(settings);
      reader.Ask("show_spawn", settings.show_spawn);
      return reader.Ask("spawn_radius", settings.spawn_radius, 0, kMaxMetres);
    case Game::kSequentialLock:
      AskBoxes(reader, settings);
      reader.Ask("fixed_order", settings.fixed_order);
      return reader.Ask("door_cells", settings.door_cells, 0, 20);
    case Game::kBlueprint:
      AskBoxes(reader, settings);
      return reader.Ask("sites", settings.sites, 1, kMaxRows);
    case Game::kShelter:
      AskBoxes(reader, settings);
      reader.Ask("elongated", settings.elongated, 0, settings.boxes.high);
      reader.Ask("diameter", settings.cylinder, 0.1, 3);
      return reader.Ask("show_cylinder", settings.show_cylinder);
    case Game::kCounting:
      int64_t delay = 10;
      reader.Ask("delay", delay, 0, kMaxSteps);
      settings.horizon = CountingSteps() + delay + 1;
      return;
  }
}

}  // namespace

absl::StatusOr<Settings> ReadTransferSettings(const Options& options, Game game,
                                              const std::string& name) {
  Settings settings = Defaults(game);
  SettingsReader reader(options);
  AskTask(reader, settings);
  reader.AskAbilities(settings);
  reader.Ask("pad_agents", settings.pad_agents, 0, kMaxRows);
  reader.Ask("pad_boxes", settings.pad_boxes, 0, kMaxRows);
  reader.Ask("pad_ramps", settings.pad_ramps, 0, kMaxRows);
  reader.Ask("lock_ramps", settings.lock_ramps);
  reader.Ask("show_sizes", settings.show_sizes);
  MILLRACE_RETURN_IF_ERROR(reader.Finish(name));
  return settings;
}

}  // namespace millrace::hide_and_seek
