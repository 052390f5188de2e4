#include "env/hide_and_seek/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "hand_made_world.h"

namespace millrace::hide_and_seek {
namespace {

// The quadrant's walls with a door in the wall at x = 15, cells 6 and 7.
World Room(const Places& places) {
  World world = HandMadeWorld(places);
  world.plan.walls = {{15, 0, 15, 5},       {15, 8, 15, 15},       {15, 15, 29, 15},
                      {0, 0, 0, 29, true},  {29, 0, 29, 29, true}, {0, 0, 29, 0, true},
                      {0, 29, 29, 29, true}};
  world.plan.doors = {{15, 6, 15, 7}};
  world.plan.room = {16, 1, 29, 15};
  return world;
}

constexpr double kDoorX = 3.1, kDoorY = 1.4;
const Places kOpen = {.hiders = {{5, 2}}, .seekers = {{1, 4}}, .boxes = {Cube(4, 0.3)}};

std::unique_ptr<Episode> Begin(const Settings& settings, const World& world) {
  auto episode = Episode::Begin(settings, world, /*seed=*/1);
  EXPECT_TRUE(episode.ok()) << episode.status();
  return *std::move(episode);
}

bool HidersEnclosed(const Episode& episode) {
  Reachable reachable((Settings()));
  reachable.Flood(episode);
  return !reachable.AnyHider(episode);
}

TEST(Reachable, TellsWhetherSeekersCanWalkToHiders) {
  const Settings settings;
  EXPECT_FALSE(HidersEnclosed(*Begin(settings, Room(kOpen))));
  Places blocked = kOpen;
  blocked.boxes = {Cube(kDoorX - 0.25, kDoorY - 0.25)};
  EXPECT_TRUE(HidersEnclosed(*Begin(settings, Room(blocked))));
  blocked.hiders = {{1, 1}};  // outside
  EXPECT_FALSE(HidersEnclosed(*Begin(settings, Room(blocked))));
  Places ramp = kOpen;  // which seekers climb
  ramp.ramps = {Cube(kDoorX - 0.25, kDoorY - 0.25)};
  EXPECT_FALSE(HidersEnclosed(*Begin(settings, Room(ramp))));
}

TEST(Reachable, KnowsWaysRoundTheOutside) {
  const Settings settings;
  World world = Room(kOpen);
  world.plan.walls = {{15, 0, 15, 29}};  // from edge to edge, with nothing beyond
  EXPECT_FALSE(HidersEnclosed(*Begin(settings, world)));
  world.agents[0] = {9, 3};  // off the floor
  EXPECT_FALSE(HidersEnclosed(*Begin(settings, world)));
}

// Plays an episode to its end in which nobody does anything.
std::vector<double> PlayOut(const Settings& settings, Episode& episode) {
  Statistics statistics(settings, episode);
  std::vector<Action> actions(static_cast<size_t>(episode.num_agents()));
  std::vector<float> rewards(actions.size());
  while (!episode.over()) {
    EXPECT_TRUE(episode.Step(actions, rewards));
    statistics.Count(rewards);
  }
  const auto values = statistics.Finish(/*discarded=*/false);
  return {values.begin(), values.end()};
}

std::map<std::string, double> Played(const Settings& settings, const World& world) {
  const auto values = PlayOut(settings, *Begin(settings, world));
  std::map<std::string, double> by_name;
  for (size_t i = 0; i < values.size(); ++i) by_name[Statistics::Names()[i]] = values[i];
  EXPECT_EQ(by_name.size(), values.size());
  return by_name;
}

TEST(Statistics, OfAQuietEpisodeInARoom) {
  Places blocked = kOpen;
  blocked.boxes = {Cube(kDoorX - 0.25, kDoorY - 0.25)};
  blocked.ramps = {Cube(4, 2)};
  auto numbers = Played(Settings(), Room(blocked));
  EXPECT_EQ(numbers["hidden_fraction"], 1);
  EXPECT_EQ(numbers["hider_return"], 48);
  EXPECT_EQ(numbers["seeker_return"], -48);
  EXPECT_EQ(numbers["enclosed_prep"], 1);
  EXPECT_EQ(numbers["doors_blocked_prep"], 1);
  EXPECT_EQ(numbers["ramp_in_room_prep"], 1);
  EXPECT_NEAR(numbers["ramp_far_prep"], std::hypot(4.25 - kDoorX, 2.25 - kDoorY), 0.2);
  EXPECT_EQ(numbers["wall_cross"], 0);
  EXPECT_NEAR(numbers["hider_speed"], 0, 0.01);
  EXPECT_NEAR(numbers["seeker_speed"], 0, 0.01);
  EXPECT_NEAR(numbers["max_box_move"], 0, 0.01);
  EXPECT_EQ(numbers["num_box_lock"], 0);
  EXPECT_EQ(numbers["box_lock_fraction_prep"], 0);
  EXPECT_EQ(numbers["seeker_high_fraction"], 0);
  EXPECT_EQ(numbers["surf_distance"], 0);
  EXPECT_EQ(numbers["held_fraction"], 0);
  EXPECT_EQ(numbers["outside_fraction"], 0);
  EXPECT_EQ(numbers["discarded"], 0);
}

TEST(Statistics, OfSeekersThatSeeThroughTheDoor) {
  // Everybody faces low y.
  const Places seen = {.hiders = {{1, 1}}, .seekers = {{1, 4}}};
  auto numbers = Played(Settings(), Room(seen));
  EXPECT_EQ(numbers["hidden_fraction"], 0);
  EXPECT_EQ(numbers["hider_return"], -48);
  EXPECT_EQ(numbers["doors_blocked_prep"], 0);
}

TEST(Statistics, CountNobodyAsHiddenWhileHidersAreFined) {
  Places places = kOpen;
  places.boxes = {Cube(5.8, 5.5)};  // outside
  const Settings settings;
  auto numbers = Played(settings, Room(places));
  EXPECT_EQ(numbers["hidden_fraction"], 0);
  EXPECT_EQ(numbers["outside_fraction"], 1);
  EXPECT_EQ(numbers["hider_return"], -480);
}

TEST(Statistics, OfThePreparationAreTakenWhenItsEndIsSeen) {
  // 26.4 steps of 80: agents see the end after 27, of 32 of 80 one step late.
  for (const auto& [preparation, steps] : {std::pair{0.33, 27}, std::pair{0.4, 33}}) {
    Settings settings;
    settings.preparation = preparation;
    const auto episode = Begin(settings, Room(kOpen));
    Statistics statistics(settings, *episode);
    std::vector<Action> actions(static_cast<size_t>(episode->num_agents()));
    std::vector<float> rewards(actions.size());
    const auto enclosed = static_cast<size_t>(
        std::ranges::find(Statistics::Names(), "enclosed_prep") - Statistics::Names().begin());
    int step = 0;
    for (bool taken = false; !taken; ++step) {
      ASSERT_LT(step, settings.horizon);
      ASSERT_TRUE(episode->Step(actions, rewards));
      statistics.Count(rewards);
      taken = !std::isnan(statistics.Finish(/*discarded=*/false)[enclosed]);
    }
    EXPECT_EQ(step, steps);
  }
}

TEST(Statistics, WithoutARoomSayNothingAboutIt) {
  Settings settings;
  settings.preparation = 1;  // nothing is scored
  auto numbers = Played(settings, HandMadeWorld(kOpen));
  for (const char* name : {"hidden_fraction", "doors_blocked_prep", "enclosed_prep"}) {
    EXPECT_TRUE(std::isnan(numbers[name])) << name;
  }
}

// A seeker charges over a ramp and the wall of a room whose door is blocked; without the ramp it
// stays outside.
TEST(Statistics, TellWhoHasCrossedAWall) {
  const Settings settings;
  const auto crossed = [&](bool ramp) {
    Places places = kOpen;
    places.boxes = {Cube(kDoorX - 0.25, kDoorY - 0.25)};
    if (ramp) places.ramps = {Cube(4, 3.16)};
    places.seekers = {{4.1, 4.6}};
    const auto episode = Begin(settings, Room(places));
    Statistics statistics(settings, *episode);
    std::vector<Action> actions(2);
    actions[1].move[1] = 0;  // towards low y
    std::vector<float> rewards(2);
    while (!episode->over()) {
      EXPECT_TRUE(episode->Step(actions, rewards));
      statistics.Count(rewards);
    }
    const auto values = statistics.Finish(/*discarded=*/false);
    const auto& names = Statistics::Names();
    const auto value = [&](const char* name) {
      return values[static_cast<size_t>(std::ranges::find(names, name) - names.begin())];
    };
    EXPECT_EQ(value("enclosed_prep"), 1);
    EXPECT_GT(value("seeker_speed"), 0.05);
    EXPECT_LT(value("hider_speed"), 0.01);
    return value("wall_cross");
  };
  EXPECT_EQ(crossed(true), 1);
  EXPECT_EQ(crossed(false), 0);
}

TEST(Statistics, OfHalfAnEpisodeSayNothing) {
  const Settings settings;
  const auto episode = Begin(settings, Room(kOpen));
  episode->set_step(20);
  const auto values = PlayOut(settings, *episode);
  for (const double value : std::span(values).first(values.size() - 1)) {
    EXPECT_TRUE(std::isnan(value));
  }
  EXPECT_EQ(values.back(), 0);
}

TEST(Statistics, OfABrokenEpisodeSayOnlyThat) {
  const Settings settings;
  const auto episode = Begin(settings, Room(kOpen));
  Statistics statistics(settings, *episode);
  const auto values = statistics.Finish(/*discarded=*/true);
  EXPECT_EQ(values.back(), 1);
  for (const double value : values.first(values.size() - 1)) EXPECT_TRUE(std::isnan(value));
}

}  // namespace
}  // namespace millrace::hide_and_seek
