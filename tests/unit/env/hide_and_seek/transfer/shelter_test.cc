#include "env/hide_and_seek/transfer/shelter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "task_episode.h"

namespace millrace::hide_and_seek {
namespace {

constexpr float kClose = 1e-6F;

World WithCylinder(const Places& places) {
  World world = HandMadeWorld(places);
  world.cylinder = {3, 3, 1.6};
  return world;
}

std::unique_ptr<Episode> Begin(const std::vector<Thing>& boxes, const Given& given = {}) {
  // The agent stands in a corner, where no ray passes.
  return BeginTask(ReadTask(Game::kShelter, given),
                   WithCylinder({.hiders = {{-1, -1}}, .boxes = boxes}));
}

TEST(Shelter, CostsAThousandthForEachOfAHundredRays) {
  EXPECT_NEAR(StepTask(*Begin({})), -0.1, kClose);
}

TEST(Shelter, BoxesStopTheRaysThatPassThem) {
  // Rays of the side of low y begin at (0.202 + 0.22384 i, 0.202) and aim at (3, 3). A wall of 2 x
  // 0.15 m whose middle is (3, 1): at y = 0.925 they are at x = 3 - (3 - x0) x 2.075 / 2.798,
  // within 1 m of 3 if x0 is within 1.348 of 3: i = 7 to 18, 12 rays.
  const Thing wall = {.size = {2, 0.15, 0.5}, .x = 2, .y = 0.925};
  EXPECT_NEAR(StepTask(*Begin({wall})), -0.1 + 0.012, kClose);
}

TEST(Shelter, IsDoneWhenNoRayComesThrough) {
  // Four walls around the cylinder, 2.2 m long, of the full height.
  const std::vector<Thing> walls = {{.size = {2.5, 0.15, 0.5}, .x = 1.75, .y = 1.8},
                                    {.size = {2.5, 0.15, 0.5}, .x = 1.75, .y = 4.05},
                                    {.size = {0.15, 2.1, 0.5}, .x = 1.75, .y = 1.95},
                                    {.size = {0.15, 2.1, 0.5}, .x = 4.1, .y = 1.95}};
  const auto episode = Begin(walls, {{"horizon", {"3"}}});
  const auto numbers = PlayTask(*episode, Action());
  EXPECT_EQ(numbers[0], 1);  // success
  EXPECT_EQ(numbers[2], 3);  // success_steps
  EXPECT_EQ(numbers[3], 0);  // return
  EXPECT_EQ(numbers[5], 0);  // exposed
  EXPECT_EQ(numbers[6], 0);  // locked
  EXPECT_FALSE(episode->ended());
  EXPECT_EQ(PlayTask(*Begin({}, {{"horizon", {"3"}}}), Action())[5], 1);
}

TEST(Shelter, CylinderStopsAgentsAndTheirEyes) {
  const auto episode = BeginTask(ReadTask(Game::kShelter),
                                 WithCylinder({.hiders = {{2.85, 4.2}}, .boxes = {Cube(2.75, 1)}}));
  EXPECT_FALSE(episode->sight().Sees(0, 1));
  Action on = Moving(kNeutralMove, 0);
  const auto alone = BeginTask(ReadTask(Game::kShelter), WithCylinder({.hiders = {{2.85, 4.2}}}));
  for (int step = 0; step < 20; ++step) StepTask(*alone, on);
  EXPECT_GT(alone->scene().Centre(0)[1], 3.8 + 0.15 - 0.05);
}

TEST(Shelter, DrawsACylinderAwayFromTheWalls) {
  const Settings settings = ReadTask(Game::kShelter);
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Rng rng(seed, kWorldStream);
    const auto world = DrawWorld(settings, rng);
    ASSERT_TRUE(world.ok()) << world.status();
    ASSERT_TRUE(world->cylinder.has_value());
    const auto& [x, y, diameter] = *world->cylinder;
    EXPECT_GE(diameter, 1.5);
    EXPECT_LE(diameter, 2);
    for (const double at : {x, y}) {
      EXPECT_GE(at - diameter / 2, 0.6);
      EXPECT_LE(at + diameter / 2, 5.4);
    }
    int elongated = 0;
    for (const Thing& box : world->boxes) {
      elongated += box.size[0] != box.size[1] ? 1 : 0;
      const double dx = std::max({box.x - x, x - box.x - box.size[0], 0.0});
      const double dy = std::max({box.y - y, y - box.y - box.size[1], 0.0});
      EXPECT_GE(std::hypot(dx, dy), diameter / 2);
    }
    EXPECT_EQ(elongated, 3);
    EXPECT_EQ(world->boxes.size(), 8);
  }
}

}  // namespace
}  // namespace millrace::hide_and_seek
