#include "env/hide_and_seek/episode_state.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/extra_state.h"
#include "env/hide_and_seek/extra_reader.h"
#include "env/state_bytes.h"
#include "millrace/core/status.h"

namespace millrace::hide_and_seek {
namespace {

constexpr double kLeastSize = 0.01, kMostSize = 100;  // metres
constexpr size_t kWallNumbers = 5, kSizeNumbers = 3, kGripNumbers = 7;

std::vector<double> WriteWalls(const std::vector<Wall>& walls) {
  std::vector<double> numbers;
  for (const Wall& wall : walls) {
    for (const int number : {wall.x0, wall.y0, wall.x1, wall.y1, wall.outer ? 1 : 0}) {
      numbers.push_back(number);
    }
  }
  return numbers;
}

std::vector<double> WriteCells(const Cells& cells) {
  return {static_cast<double>(cells.x0), static_cast<double>(cells.y0),
          static_cast<double>(cells.x1), static_cast<double>(cells.y1)};
}

std::vector<double> WriteSizes(const std::vector<Thing>& things) {
  std::vector<double> numbers;
  for (const Thing& thing : things) {
    numbers.insert(numbers.end(), thing.size.begin(), thing.size.end());
  }
  return numbers;
}

std::vector<Wall> ReadWalls(ExtraReader& reader, const std::string& name, int grid) {
  const size_t numbers = reader.Size(name);
  if (numbers % kWallNumbers != 0) reader.Fail(name, "5 numbers a wall", absl::StrCat(numbers));
  const auto values = reader.Whole(name, numbers - numbers % kWallNumbers, 0, grid - 1);
  std::vector<Wall> walls;
  for (size_t i = 0; i < values.size(); i += kWallNumbers) {
    const auto at = [&](size_t k) { return static_cast<int>(values[i + k]); };
    walls.push_back({at(0), at(1), at(2), at(3), at(4) != 0});
    const bool row = at(1) == at(3) && at(0) < at(2), column = at(0) == at(2) && at(1) < at(3);
    const bool door = name == "doors" && at(0) == at(2) && at(1) == at(3);  // may be one cell wide
    if (!row && !column && !door) {
      reader.Fail(name, "two or more cells of one row or column, lowest first",
                  absl::StrCat("wall ", i / 5));
    }
  }
  return walls;
}

std::vector<Thing> ReadSizes(ExtraReader& reader, const std::string& name, int64_t most) {
  const size_t numbers = reader.Size(name);
  const auto values = reader.Numbers(name, numbers - numbers % kSizeNumbers);
  std::vector<Thing> things;
  for (size_t i = 0; i < values.size(); i += kSizeNumbers) {
    things.push_back({.size = {values[i], values[i + 1], values[i + 2]}});
    for (const double size : things.back().size) {
      if (size < kLeastSize || size > kMostSize) {
        reader.Fail(name, absl::StrCat("sizes from ", kLeastSize, " to ", kMostSize),
                    absl::StrCat(size));
      }
    }
  }
  if (static_cast<int64_t>(things.size()) > most) {
    reader.Fail(name, absl::StrCat("at most ", most, " things"), absl::StrCat(things.size()));
  }
  return things;
}

void ReadSpawn(ExtraReader& reader, World& world) {
  const auto spawns = reader.Numbers("spawn", 2 * world.agents.size());
  for (size_t i = 0; i < spawns.size(); i += 2) world.agents[i / 2] = {spawns[i], spawns[i + 1]};
}

void ReadLockOrder(ExtraReader& reader, World& world) {
  const size_t boxes = world.boxes.size();
  const double last = static_cast<double>(boxes) - 1;
  const auto order = reader.Whole("lock_order", boxes, 0, last);
  std::vector<int> sorted(boxes);
  std::iota(sorted.begin(), sorted.end(), 0);
  if (world.lock_order.size() != boxes) world.lock_order = sorted;
  if (order.empty()) return;
  world.lock_order.assign(order.begin(), order.end());
  if (!std::ranges::is_permutation(world.lock_order, sorted)) {
    reader.Fail("lock_order", absl::StrCat("each of 0 to ", last, " once"),
                absl::StrJoin(order, ", "));
  }
}

void ReadSites(const Settings& settings, ExtraReader& reader, World& world) {
  const auto most = static_cast<size_t>(settings.sites.high);
  const size_t count = std::clamp<size_t>(reader.Size("sites") / 2, 1, most);
  const auto places = reader.Numbers("sites", 2 * count);
  if (!places.empty()) world.sites.clear();
  for (size_t i = 0; i < places.size(); i += 2) world.sites.push_back({places[i], places[i + 1]});
}

void ReadCylinder(ExtraReader& reader, World& world) {
  const auto numbers = reader.Numbers("cylinder", 3);
  if (numbers.empty()) return;
  world.cylinder = {numbers[0], numbers[1], numbers[2]};
  if (numbers[2] >= kLeastSize && numbers[2] <= kMostSize) return;
  reader.Fail("cylinder", absl::StrCat("a diameter from ", kLeastSize, " to ", kMostSize),
              absl::StrCat(numbers[2]));
}

void ReadDirections(ExtraReader& reader, World& world) {
  const auto right = reader.Whole("goes_right", world.boxes.size(), 0, 1);
  if (!right.empty()) world.goes_right.assign(right.begin(), right.end());
  world.goes_right.resize(world.boxes.size());
}

// What the rules of a transfer task go by, and what is shown of the beginning.
void ReadTask(const Settings& settings, ExtraReader& reader, World& world) {
  if (settings.keeps_spawn()) ReadSpawn(reader, world);
  switch (settings.game) {
    case Game::kHideAndSeek:
    case Game::kLockAndReturn:
      return;
    case Game::kSequentialLock:
      return ReadLockOrder(reader, world);
    case Game::kBlueprint:
      return ReadSites(settings, reader, world);
    case Game::kShelter:
      return ReadCylinder(reader, world);
    case Game::kCounting:
      return ReadDirections(reader, world);
  }
}

// Positions are those of the state: placed here only so that the scene can be built.
World ReadWorld(const Settings& settings, ExtraReader& reader, World world) {
  const auto count = [&](const char* name, const Range& limits, int fallback) {
    const double least = limits.high == 0 ? 0 : 1;
    const auto values = reader.Whole(name, 1, least, static_cast<double>(limits.high));
    return values.empty() ? fallback : static_cast<int>(values[0]);
  };
  world.hiders = count("hiders", settings.hiders, world.hiders);
  world.seekers = count("seekers", settings.seekers, world.seekers);
  world.agents.resize(static_cast<size_t>(world.num_agents()));
  const auto walls = ReadWalls(reader, "walls", settings.grid_size);
  if (reader.Has("walls")) world.plan.walls = walls;
  const auto doors = ReadWalls(reader, "doors", settings.grid_size);
  if (reader.Has("doors")) world.plan.doors = doors;
  const auto boxes = ReadSizes(reader, "box_sizes", settings.max_boxes());
  if (reader.Has("box_sizes")) world.boxes = boxes;
  const auto ramps = ReadSizes(reader, "ramp_sizes", settings.ramps);
  if (reader.Has("ramp_sizes")) world.ramps = ramps;
  const auto room = reader.Whole("room", 4, 0, settings.grid_size);
  const auto edge = [&room](size_t i) { return static_cast<int>(room[i]); };
  if (!room.empty()) world.plan.room = {edge(0), edge(1), edge(2), edge(3)};
  const auto food = reader.Numbers("food_places", 2 * static_cast<size_t>(settings.food));
  if (!food.empty()) world.food.clear();
  for (size_t i = 0; i < food.size(); i += 2) world.food.push_back({food[i], food[i + 1]});
  ReadTask(settings, reader, world);
  return world;
}

// Locks and grips that were written down are taken if they keep a thing where it lies, give or take
// what pushing and pulling does to it. Others would throw it about: those of another place, thing
// or agent, or the zeros of what was not locked or held.
constexpr double kNudge = 0.05;    // metres
constexpr double kTwist = 0.3;     // radians
constexpr double kStretch = 0.5;   // metres: grips are soft, and give by up to 0.3
constexpr double kSameTurn = 0.8;  // of the product of two quaternions: 74 degrees

bool KeepsPlace(const Scene& scene, int thing, std::span<const double, Scene::kJoints> place) {
  const auto lies = scene.Position(scene.num_agents() + thing);
  const double moved = std::hypot(place[0] - lies[0], place[1] - lies[1], place[2] - lies[2]);
  return moved <= kNudge && std::abs(place[3] - lies[3]) <= kTwist;
}

void ReadLocks(ExtraReader& reader, Episode& episode) {
  Scene& scene = episode.scene();
  const auto things = static_cast<size_t>(scene.num_things());
  const auto locked = reader.Whole("locked", things, 0, 1);
  const auto owners = reader.Whole("owners", things, 0, episode.num_agents() - 1);
  const auto places = reader.Numbers("locked_at", Scene::kJoints * things);
  for (size_t t = 0; t < things; ++t) {
    const bool is_locked = !locked.empty() && locked[t] != 0;
    const int thing = static_cast<int>(t);
    episode.SetLock(thing, is_locked, owners.empty() ? 0 : static_cast<int>(owners[t]));
    if (!is_locked) continue;
    scene.Lock(thing);
    if (places.empty()) continue;
    const auto place =
        std::span(places).subspan(Scene::kJoints * t, Scene::kJoints).first<Scene::kJoints>();
    if (KeepsPlace(scene, thing, place)) scene.SetLock(thing, place);
  }
}

bool KeepsRelation(std::span<const double, kGripNumbers> now,
                   std::span<const double, kGripNumbers> then) {
  const double moved = std::hypot(then[0] - now[0], then[1] - now[1], then[2] - now[2]);
  const double alike = std::inner_product(now.begin() + 3, now.end(), then.begin() + 3, 0.0);
  return moved <= kStretch && std::abs(alike) >= kSameTurn;
}

void ReadGrips(ExtraReader& reader, Episode& episode) {
  Scene& scene = episode.scene();
  const auto agents = static_cast<size_t>(episode.num_agents());
  const auto held = reader.Whole("held", agents, Scene::kNoThing, scene.num_things() - 1);
  const auto grips = reader.Numbers("grips", kGripNumbers * agents);
  for (size_t a = 0; a < held.size(); ++a) {
    const int agent = static_cast<int>(a), thing = static_cast<int>(held[a]);
    scene.Hold(agent, thing);
    if (grips.empty() || thing == Scene::kNoThing) continue;
    const auto grip =
        std::span(grips).subspan(kGripNumbers * a, kGripNumbers).first<kGripNumbers>();
    if (KeepsRelation(scene.Grip(agent), grip)) scene.SetGrip(agent, thing, grip);
  }
}

void ReadFood(ExtraReader& reader, Episode& episode) {
  const size_t sites = episode.food().sites().size();
  const auto health = reader.Numbers("food_health", sites);
  const auto empty = reader.Whole("food_empty_steps", sites, 0, kMaxWholeNumber);
  for (size_t s = 0; s < health.size(); ++s) {
    episode.food().Set(s, health[s], empty.empty() ? 0 : static_cast<int64_t>(empty[s]));
  }
}

void ReadRandom(ExtraReader& reader, Episode& episode) {
  const auto numbers = reader.Whole("random", 3, 0, kMaxWholeNumber);
  if (numbers.empty()) return;
  const uint64_t high = static_cast<uint64_t>(numbers[0]), low = static_cast<uint64_t>(numbers[1]);
  episode.SetRandom((high << 32) | low, static_cast<uint64_t>(numbers[2]));
}

void WriteTask(const Episode& episode, ExtraState& extra) {
  const World& world = episode.world();
  if (episode.settings().keeps_spawn()) {
    for (const auto& corner : world.agents) {
      extra["spawn"].insert(extra["spawn"].end(), corner.begin(), corner.end());
    }
  }
  if (!world.lock_order.empty()) {
    extra["lock_order"] = {world.lock_order.begin(), world.lock_order.end()};
  }
  for (const auto& site : world.sites) {
    extra["sites"].insert(extra["sites"].end(), site.begin(), site.end());
  }
  if (const auto& cylinder = world.cylinder) {
    extra["cylinder"] = {cylinder->x, cylinder->y, cylinder->diameter};
  }
  if (!world.goes_right.empty()) {
    extra["goes_right"] = {world.goes_right.begin(), world.goes_right.end()};
  }
}

// Of a saved state: more than there are names.
constexpr uint64_t kMostEntries = 64;

std::string_view Bytes(std::span<const double> numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()};
}

std::vector<double> FromBytes(std::string_view bytes) {
  std::vector<double> numbers(bytes.size() / sizeof(double));
  if (!numbers.empty()) {
    std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(double));
  }
  return numbers;
}

}  // namespace

ExtraState WriteExtra(const Episode& episode) {
  const World& world = episode.world();
  const Scene& scene = episode.scene();
  ExtraState extra = {
      {"step", {static_cast<double>(episode.step())}},
      {"hiders", {static_cast<double>(world.hiders)}},
      {"seekers", {static_cast<double>(world.seekers)}},
      {"walls", WriteWalls(world.plan.walls)},
      {"doors", WriteWalls(world.plan.doors)},
      {"room", WriteCells(world.plan.room)},
      {"box_sizes", WriteSizes(world.boxes)},
      {"ramp_sizes", WriteSizes(world.ramps)},
      {"random",
       {static_cast<double>(episode.seed() >> 32),
        static_cast<double>(episode.seed() & 0xFFFFFFFFU), static_cast<double>(episode.draws())}}};
  for (int thing = 0; thing < scene.num_things(); ++thing) {
    extra["locked"].push_back(episode.locked(thing) ? 1 : 0);
    extra["owners"].push_back(episode.owner(thing));
    const auto place =
        episode.locked(thing) ? scene.LockedAt(thing) : std::array<double, Scene::kJoints>{};
    extra["locked_at"].insert(extra["locked_at"].end(), place.begin(), place.end());
  }
  for (int agent = 0; agent < episode.num_agents(); ++agent) {
    extra["held"].push_back(scene.held(agent));
    const bool holds = scene.held(agent) != Scene::kNoThing;
    const auto grip = holds ? scene.Grip(agent) : std::array<double, kGripNumbers>{};
    extra["grips"].insert(extra["grips"].end(), grip.begin(), grip.end());
  }
  for (const Food::Site& site : episode.food().sites()) {
    extra["food_places"].insert(extra["food_places"].end(), {site.x, site.y});
    extra["food_health"].push_back(site.health);
    extra["food_empty_steps"].push_back(static_cast<double>(site.empty_steps));
  }
  WriteTask(episode, extra);
  return extra;
}

absl::StatusOr<std::unique_ptr<Episode>> ReadEpisode(const Settings& settings,
                                                     std::span<const double> state,
                                                     const ExtraState& extra,
                                                     const Episode* current) {
  ExtraReader reader(extra);
  World world;
  if (current != nullptr) {
    world = current->world();
  } else {
    Rng rng(/*seed=*/0, kWorldStream);
    MILLRACE_ASSIGN_OR_RETURN(world, DrawWorld(settings, rng));
  }
  world = ReadWorld(settings, reader, std::move(world));
  MILLRACE_RETURN_IF_ERROR(reader.status());
  MILLRACE_ASSIGN_OR_RETURN(auto episode, Episode::Begin(settings, std::move(world), /*seed=*/0));
  Scene& scene = episode->scene();
  const size_t positions = scene.qpos().size();
  MILLRACE_RETURN_IF_ERROR(CheckStateSize(2 * positions, state));
  scene.SetState(state.first(positions), state.subspan(positions));
  ReadLocks(reader, *episode);
  ReadGrips(reader, *episode);
  ReadFood(reader, *episode);
  const auto step = reader.Whole("step", 1, 0, kMaxWholeNumber);
  if (!step.empty()) episode->set_step(static_cast<int64_t>(step[0]));
  ReadRandom(reader, *episode);
  MILLRACE_RETURN_IF_ERROR(reader.Finish());
  episode->Look();
  return episode;
}

std::string SaveEpisode(const Episode& episode) {
  const ExtraState extra = WriteExtra(episode);
  StateWriter writer;
  writer.Put<uint64_t>(extra.size());
  for (const auto& [name, numbers] : extra) {
    writer.PutString(name);
    writer.PutString(Bytes(numbers));
  }
  writer.PutString(Bytes(episode.scene().qpos()));
  writer.PutString(Bytes(episode.scene().qvel()));
  writer.PutString(episode.scene().Save());
  return writer.Take();
}

absl::StatusOr<std::unique_ptr<Episode>> RestoreEpisode(const Settings& settings,
                                                        std::string_view saved) {
  StateReader reader(saved);
  uint64_t entries = 0;
  reader.Get(entries);
  ExtraState extra;
  for (uint64_t i = 0; i < std::min<uint64_t>(entries, kMostEntries); ++i) {
    const std::string name(reader.GetString());
    extra[name] = FromBytes(reader.GetString());
  }
  std::vector<double> state = FromBytes(reader.GetString());
  const std::vector<double> velocities = FromBytes(reader.GetString());
  const std::string_view scene = reader.GetString();
  MILLRACE_RETURN_IF_ERROR(reader.Finish());
  state.insert(state.end(), velocities.begin(), velocities.end());
  auto episode = ReadEpisode(settings, state, extra, /*current=*/nullptr);
  if (!episode.ok()) {
    return absl::DataLossError(
        absl::StrCat("saved environment state: ", std::string(episode.status().message())));
  }
  MILLRACE_RETURN_IF_ERROR((*episode)->scene().Restore(scene));
  (*episode)->Look();
  return episode;
}

}  // namespace millrace::hide_and_seek
