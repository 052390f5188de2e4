#include "env/hide_and_seek/transfer/transfer_settings.h"

#include "env/hide_and_seek/settings_reader.h"
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
  }
  return settings;
}

void AskTask(SettingsReader& reader, Settings& settings) {
  if (settings.game == Game::kLockAndReturn) {
    reader.AskFloor(settings);
    reader.Ask("show_spawn", settings.show_spawn);
    reader.Ask("spawn_radius", settings.spawn_radius, 0, kMaxMetres);
  }
}

}  // namespace

absl::StatusOr<Settings> ReadTransferSettings(const Options& options, Game game,
                                              const std::string& name) {
  Settings settings = Defaults(game);
  SettingsReader reader(options);
  reader.Ask("horizon", settings.horizon, 1, kMaxSteps);
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
