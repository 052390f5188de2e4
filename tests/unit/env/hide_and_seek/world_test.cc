// What worlds hide and seek draws.
#include "env/hide_and_seek/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "given_options.h"

namespace millrace::hide_and_seek {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr double kClose = 1e-9;  // metres

World Draw(const Settings& settings, uint64_t seed) {
  Rng rng(seed, 0);
  return DrawWorld(settings, rng).value();
}

WallPlan DrawPlan(const Settings& settings, uint64_t seed) {
  Rng rng(seed, 0);
  return DrawWalls(settings, rng).value();
}

Rect Agent(const std::array<double, 2>& corner) {
  return {corner[0], corner[1], corner[0] + 0.3, corner[1] + 0.3};
}

Rect FootprintOf(const Thing& thing) {
  return {thing.x, thing.y, thing.x + thing.size[0], thing.y + thing.size[1]};
}

std::vector<Rect> Walls(const WallPlan& plan) {
  std::vector<Rect> rects;
  for (const Wall& wall : plan.walls) rects.push_back(RectOf(wall, 0.2));
  return rects;
}

std::vector<Rect> Things(const World& world) {
  std::vector<Rect> rects;
  for (const auto& corner : world.agents) rects.push_back(Agent(corner));
  for (const Thing& box : world.boxes) rects.push_back(FootprintOf(box));
  for (const Thing& ramp : world.ramps) rects.push_back(FootprintOf(ramp));
  for (const auto& [x, y] : world.food) rects.push_back({x - 0.05, y - 0.05, x + 0.05, y + 0.05});
  return rects;
}

bool AnyOverlap(const World& world) {
  std::vector<Rect> rects = Walls(world.plan);
  for (const Rect& thing : Things(world)) rects.push_back(thing);
  for (size_t i = 0; i < rects.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (rects[i].Overlaps(rects[j])) return true;
    }
  }
  return false;
}

bool Within(const Rect& inner, const Rect& outer) {
  return outer.x0 <= inner.x0 && outer.y0 <= inner.y0 && inner.x1 <= outer.x1 &&
         inner.y1 <= outer.y1;
}

int Elongated(const World& world) {
  int count = 0;
  for (const Thing& box : world.boxes) count += box.size != std::array<double, 3>{0.5, 0.5, 0.5};
  return count;
}

// Everything in the world, to compare two of them.
std::vector<double> Numbers(const World& world) {
  std::vector<double> numbers = {double(world.hiders), double(world.seekers)};
  for (const Rect& wall : Walls(world.plan)) {
    numbers.insert(numbers.end(), {wall.x0, wall.y0, wall.x1, wall.y1});
  }
  for (const Rect& thing : Things(world)) {
    numbers.insert(numbers.end(), {thing.x0, thing.y0, thing.x1, thing.y1});
  }
  return numbers;
}

// x and y exchanged.
Wall Turned(const Wall& wall) { return {wall.y0, wall.x0, wall.y1, wall.x1, wall.outer}; }

// Metres between what is left of the door's wall on both sides; 0 where one side has nothing left.
double OpeningBetweenRests(const WallPlan& plan, const Door& door) {
  if (!door.vertical()) {
    WallPlan turned;
    for (const Wall& wall : plan.walls) turned.walls.push_back(Turned(wall));
    return OpeningBetweenRests(turned, Turned(door));
  }
  double low = -1, high = -1;
  for (const Wall& wall : plan.walls) {
    if (wall.x0 != door.x0 || wall.x1 != door.x0) continue;
    if (wall.y1 == door.y0 - 1) low = RectOf(wall, 0.2).y1;
    if (wall.y0 == door.y1 + 1) high = RectOf(wall, 0.2).y0;
  }
  return low < 0 || high < 0 ? 0 : high - low;
}

// The regions of cells that no wall takes, joined by their sides.
class Regions {
 public:
  Regions(const std::vector<Wall>& walls, int grid)
      : grid_(grid), seen_(static_cast<size_t>(grid * grid)) {
    for (const Wall& wall : walls) {
      for (int x = wall.x0; x <= wall.x1; ++x) {
        for (int y = wall.y0; y <= wall.y1; ++y) Seen(x, y) = 1;
      }
    }
  }

  int Count() {
    int count = 0;
    for (int x = 0; x < grid_; ++x) {
      for (int y = 0; y < grid_; ++y) count += Fill(x, y);
    }
    return count;
  }

 private:
  char& Seen(int x, int y) { return seen_[static_cast<size_t>(x * grid_ + y)]; }

  bool Fill(int x, int y) {
    if (x < 0 || y < 0 || x >= grid_ || y >= grid_ || Seen(x, y)) return false;
    Seen(x, y) = 1;
    Fill(x - 1, y);
    Fill(x + 1, y);
    Fill(x, y - 1);
    Fill(x, y + 1);
    return true;
  }

  const int grid_;
  std::vector<char> seen_;
};

TEST(RectOfWall, SpansTheCentresOfItsEndsLessHalfItsThickness) {
  const Rect vertical = RectOf({15, 0, 15, 15}, 0.2);  // centres 3.1; 0.1 to 3.1
  EXPECT_NEAR(vertical.x0, 3.05, kClose);
  EXPECT_NEAR(vertical.x1, 3.15, kClose);
  EXPECT_NEAR(vertical.y0, 0.15, kClose);
  EXPECT_NEAR(vertical.y1, 3.05, kClose);
  const Rect horizontal = RectOf({15, 15, 29, 15}, 0.2);  // 3.1 to 5.9; 3.1
  EXPECT_NEAR(horizontal.x0, 3.15, kClose);
  EXPECT_NEAR(horizontal.x1, 5.85, kClose);
  EXPECT_NEAR(horizontal.y0, 3.05, kClose);
  EXPECT_NEAR(horizontal.y1, 3.15, kClose);
  EXPECT_FALSE(vertical.Overlaps(horizontal));
}

TEST(Walls, OfTheQuadrantWithoutDoors) {
  const WallPlan plan = DrawPlan(Read(kQuadrant, {{"door_cells", {"0"}}}), 1);
  EXPECT_THAT(plan.walls, ElementsAre(Wall{0, 0, 0, 29, true}, Wall{0, 0, 29, 0, true},
                                      Wall{29, 0, 29, 29, true}, Wall{0, 29, 29, 29, true},
                                      Wall{15, 0, 15, 15}, Wall{15, 15, 29, 15}));
  EXPECT_TRUE(plan.doors.empty());
  EXPECT_EQ(plan.room, (Cells{15, 1, 30, 15}));
}

class EveryScenario : public testing::TestWithParam<const char*> {
 protected:
  Settings ReadScenario() const {
    return Read(kQuadrant, {{"scenario", {GetParam()}}, {"food", {"3"}}});
  }
};

TEST_P(EveryScenario, PutsThingsWhereNothingElseIs) {
  const Settings settings = ReadScenario();
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const World world = Draw(settings, seed);
    ASSERT_FALSE(AnyOverlap(world)) << "seed " << seed;
    for (const Rect& thing : Things(world)) ASSERT_TRUE(Within(thing, {0, 0, 6, 6})) << seed;
    ASSERT_EQ(world.agents.size(), 4);
    ASSERT_EQ(world.boxes.size(), 2);
    ASSERT_EQ(world.ramps.size(), 1);
    ASSERT_EQ(world.food.size(), 3);
  }
}

TEST_P(EveryScenario, LetsAgentsReachEveryRoom) {
  const Settings settings = ReadScenario();
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    ASSERT_EQ(Regions(DrawPlan(settings, seed).walls, 30).Count(), 1) << "seed " << seed;
  }
}

TEST_P(EveryScenario, IsAFunctionOfTheSeed) {
  const Settings settings = ReadScenario();
  for (uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(Numbers(Draw(settings, seed)), Numbers(Draw(settings, seed)));
    EXPECT_NE(Numbers(Draw(settings, seed)), Numbers(Draw(settings, seed + 1)));
  }
}

// Two cells, the halves of those beside them and the half thickness that walls lack at their ends:
// 0.4 + 2 x 0.1 + 2 x 0.05 = 0.7 m. A few doors begin right beside another wall, and are narrower.
TEST_P(EveryScenario, HasDoorsOfSeventyCentimetres) {
  const Settings settings = ReadScenario();
  int doors = 0, between_rests = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const WallPlan plan = DrawPlan(settings, seed);
    for (const Door& door : plan.doors) {
      ASSERT_EQ(door.x1 - door.x0 + door.y1 - door.y0, 1) << "of two cells, seed " << seed;
      const double opening = OpeningBetweenRests(plan, door);
      ASSERT_TRUE(opening == 0 || std::abs(opening - 0.7) < kClose) << "seed " << seed;
      ++doors;
      between_rests += opening > 0;
    }
  }
  EXPECT_GE(between_rests, 0.8 * doors);
}

INSTANTIATE_TEST_SUITE_P(Worlds, EveryScenario,
                         testing::Values("empty", "half", "quadrant", "var_quadrant", "var_tri",
                                         "randomwalls"),
                         [](const auto& scenario) { return std::string(scenario.param); });

// The two published environments: no overlap whatever the seed.
TEST(World, HasNoOverlapInTwentyThousand) {
  for (const char* name : {kQuadrant, kFull}) {
    const Settings settings = Read(name);
    for (uint64_t seed = 0; seed < 10000; ++seed) {
      ASSERT_FALSE(AnyOverlap(Draw(settings, seed))) << name << ", seed " << seed;
    }
  }
}

// On a floor of 9 x 9 m more than half of what lies uniformly has x > 4 or y > 4.
TEST(World, OfTheLargeFloorUsesAllOfIt) {
  const Settings settings = Read(kLarge);
  double farthest = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const World world = Draw(settings, seed);
    ASSERT_FALSE(AnyOverlap(world)) << "seed " << seed;
    for (const Rect& thing : Things(world)) farthest = std::max(farthest, thing.x1);
    for (const Rect& thing : Things(world)) ASSERT_TRUE(Within(thing, {0, 0, 9, 9})) << seed;
  }
  EXPECT_GT(farthest, 8.5);
}

// Of 4000 plans 2000 have one door; the standard deviation is 32.
TEST(Quadrant, HasOneDoorOrTwo) {
  const Settings settings = Read(kQuadrant);
  int one = 0, vertical = 0;
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    const WallPlan plan = DrawPlan(settings, seed);
    ASSERT_THAT(plan.doors.size(), testing::AnyOf(1, 2));
    if (plan.doors.size() == 2) continue;
    ++one;
    vertical += plan.doors.front().vertical();
  }
  EXPECT_NEAR(one, 2000, 130);
  EXPECT_NEAR(vertical, one / 2, 90);
}

// A seeker may begin in a doorway, so it is kept off the cells behind the walls alone.
TEST(Quadrant, PutsBoxesInTheRoomAndSeekersOutside) {
  const Settings settings = Read(kQuadrant);
  const Rect room = {3.15, 0.15, 5.85, 3.05}, behind_walls = {3.2, 0.2, 5.8, 3.0};
  int hiders_inside = 0, ramps_inside = 0;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const World world = Draw(settings, seed);
    for (const Thing& box : world.boxes) ASSERT_TRUE(Within(FootprintOf(box), room)) << seed;
    for (size_t i = 2; i < 4; ++i) {
      ASSERT_FALSE(Agent(world.agents[i]).Overlaps(behind_walls)) << "seed " << seed;
    }
    hiders_inside += Within(Agent(world.agents[0]), room);
    ramps_inside += Within(FootprintOf(world.ramps[0]), room);
  }
  // About a quarter of the floor; of that the boxes take a part.
  EXPECT_THAT(hiders_inside, AllOf(testing::Gt(200), testing::Lt(600)));
  EXPECT_THAT(ramps_inside, AllOf(testing::Gt(20), testing::Lt(500)));
}

// Or in the doorway, whose cells begin at x = 3.0.
TEST(Quadrant, HasHidersInTheRoomIfAsked) {
  const Settings settings = Read(kQuadrant, {{"hiders_anywhere", {"false"}}});
  for (uint64_t seed = 0; seed < 500; ++seed) {
    const World world = Draw(settings, seed);
    for (size_t i = 0; i < 2; ++i) {
      ASSERT_TRUE(Within(Agent(world.agents[i]), {3.0, 0.15, 5.85, 3.05})) << "seed " << seed;
    }
  }
}

TEST(VarQuadrant, HasRoomsOfAThirdToSixTenths) {
  const Settings settings = Read(kQuadrant, {{"scenario", {"var_quadrant"}}});
  std::set<int> sides;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const Cells room = DrawPlan(settings, seed).room;
    ASSERT_EQ(room.x1 - room.x0, room.y1);
    sides.insert(room.y1);
  }
  EXPECT_THAT(sides, ElementsAre(9, 10, 11, 12, 13, 14, 15, 16, 17));  // of 30 cells
}

TEST(VarQuadrant, HasRoomsAsLargeAsAskedFor) {
  const Settings settings =
      Read(kQuadrant, {{"scenario", {"var_quadrant"}}, {"room_side", {"0.4", "0.5"}}});
  std::set<int> sides;
  for (uint64_t seed = 0; seed < 200; ++seed) sides.insert(DrawPlan(settings, seed).room.y1);
  EXPECT_THAT(sides, ElementsAre(12, 13, 14));
}

TEST(ThreeRooms, AreThreeWithDoorsClosed) {
  const Settings settings = Read(kQuadrant, {{"scenario", {"var_tri"}}, {"door_cells", {"0"}}});
  for (uint64_t seed = 0; seed < 500; ++seed) {
    ASSERT_EQ(Regions(DrawPlan(settings, seed).walls, 30).Count(), 3) << "seed " << seed;
  }
}

TEST(RandomWalls, MakesAsManyRoomsAsDrawn) {
  const Settings closed = Read(kFull, {{"door_cells", {"0"}}, {"outer_walls_chance", {"1"}}});
  std::map<int, int> rooms;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const WallPlan plan = DrawPlan(closed, seed);
    const int count = Regions(plan.walls, 30).Count();
    ASSERT_EQ(plan.walls.size(), static_cast<size_t>(4 + count - 1)) << "seed " << seed;
    ++rooms[count];
  }
  ASSERT_EQ(rooms.size(), 4);
  EXPECT_EQ(rooms.begin()->first, 1);
  for (const auto& [count, plans] : rooms) EXPECT_NEAR(plans, 250, 60) << count;
}

TEST(RandomWalls, CutsOneDoorIntoEveryInnerWall) {
  const Settings settings = Read(kFull, {{"rooms", {"4"}}, {"outer_walls_chance", {"1"}}});
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const WallPlan plan = DrawPlan(settings, seed);
    ASSERT_EQ(plan.doors.size(), 3) << "seed " << seed;
    ASSERT_EQ(Regions(plan.walls, 30).Count(), 1) << "seed " << seed;
  }
}

TEST(RandomWalls, LeavesAWallWholeWhereNoDoorFits) {
  const Settings settings = Read(kQuadrant, {{"door_cells", {"16"}}});  // the walls have 16 and 15
  EXPECT_TRUE(DrawPlan(settings, 1).doors.empty());
  EXPECT_EQ(DrawPlan(settings, 1).walls.size(), 6);
}

TEST(Full, HasOuterWallsHalfTheTime) {
  const Settings settings = Read(kFull);
  int with = 0;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const WallPlan plan = DrawPlan(settings, seed);
    const auto outer = std::ranges::count_if(plan.walls, &Wall::outer);
    ASSERT_THAT(outer, testing::AnyOf(0, 4));
    with += outer == 4;
  }
  EXPECT_NEAR(with, 1000, 90);
}

TEST(Full, DrawsEveryNumberOfEverything) {
  const Settings settings = Read(kFull);
  std::set<int> hiders, seekers, boxes, elongated_of_nine;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const World world = Draw(settings, seed);
    ASSERT_EQ(world.agents.size(), static_cast<size_t>(world.num_agents()));
    ASSERT_EQ(world.ramps.size(), 2);
    ASSERT_THAT(Elongated(world), AllOf(testing::Ge(3), testing::Le(int(world.boxes.size()))));
    hiders.insert(world.hiders);
    seekers.insert(world.seekers);
    boxes.insert(static_cast<int>(world.boxes.size()));
    if (world.boxes.size() == 9) elongated_of_nine.insert(Elongated(world));
  }
  EXPECT_THAT(hiders, ElementsAre(1, 2, 3));
  EXPECT_THAT(seekers, ElementsAre(1, 2, 3));
  EXPECT_THAT(boxes, ElementsAre(3, 4, 5, 6, 7, 8, 9));
  EXPECT_THAT(elongated_of_nine, ElementsAre(3, 4, 5, 6, 7, 8, 9));
}

TEST(Full, HasNoMoreElongatedBoxesThanBoxes) {
  const Settings settings = Read(kFull, {{"boxes", {"1", "4"}}, {"elongated", {"2", "4"}}});
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const World world = Draw(settings, seed);
    const int boxes = static_cast<int>(world.boxes.size());
    EXPECT_THAT(Elongated(world), AllOf(testing::Ge(std::min(boxes, 2)), testing::Le(boxes)));
  }
}

TEST(Full, OrdersBoxesByShape) {
  const Settings settings = Read(kFull);
  const auto rank = [](const Thing& box) {
    return box.size[0] > 1 ? 0 : box.size[1] > 1 ? 1 : 2;  // along x, along y, cube
  };
  std::set<int> first;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const World world = Draw(settings, seed);
    ASSERT_TRUE(std::ranges::is_sorted(world.boxes, {}, rank)) << "seed " << seed;
    first.insert(rank(world.boxes.front()));
  }
  EXPECT_THAT(first, ElementsAre(0, 1));
}

// Three cells, and what an agent is off the corner of its first: 0.6 + 0.1 m.
TEST(Full, BeginsATeamTogether) {
  const Settings settings = Read(kFull, {{"hiders", {"3"}}, {"seekers", {"3"}}});
  double teams_apart = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const auto agents = Draw(settings, seed).agents;
    for (size_t i = 0; i < 6; ++i) {
      const size_t first = i < 3 ? 0 : 3;
      ASSERT_NEAR(agents[i][0], agents[first][0], 0.7) << "seed " << seed;
      ASSERT_NEAR(agents[i][1], agents[first][1], 0.7) << "seed " << seed;
    }
    teams_apart += std::hypot(agents[0][0] - agents[3][0], agents[0][1] - agents[3][1]) / 1000;
  }
  EXPECT_GT(teams_apart, 2);  // metres on average
}

TEST(Full, BeginsATeamAnywhereWithoutARadius) {
  const Settings settings = Read(kFull, {{"hiders", {"3"}}, {"team_radius", {"0"}}});
  double apart = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const auto agents = Draw(settings, seed).agents;
    apart += std::hypot(agents[0][0] - agents[1][0], agents[0][1] - agents[1][1]) / 1000;
  }
  EXPECT_GT(apart, 2);
}

// Around a first one in the middle quarter, cells 11 to 16: at most two cells away.
TEST(Full, PutsFoodTogetherInTheMiddle) {
  const Settings settings = Read(kFull, {{"food", {"4"}}});
  for (uint64_t seed = 0; seed < 500; ++seed) {
    const auto food = Draw(settings, seed).food;
    ASSERT_EQ(food.size(), 4);
    for (const auto& place : food) {
      for (size_t axis = 0; axis < 2; ++axis) {
        ASSERT_NEAR(place[axis], food[0][axis], 0.5) << "seed " << seed;
        ASSERT_THAT(food[0][axis], AllOf(testing::Ge(2.25), testing::Le(3.35)));
      }
    }
  }
}

TEST(World, CountsRedraws) {
  const Settings settings = Read(kFull, {{"boxes", {"16"}}, {"elongated", {"16"}}});
  int redraws = 0, first_time = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const World world = Draw(settings, seed);
    EXPECT_EQ(world.boxes.size(), 16);
    redraws += world.redraws;
    first_time += world.redraws == 0;
  }
  EXPECT_GT(redraws, 100 - first_time);
  EXPECT_GT(first_time, 0);
}

TEST(World, WithMoreThanFitsIsAnError) {
  Rng rng(1, 0);
  const auto boxes = DrawWorld(Read(kFull, {{"boxes", {"90"}}}), rng);
  EXPECT_EQ(boxes.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(boxes.status().message()), HasSubstr("90 boxes"));
  const auto rooms = DrawWorld(Read(kFull, {{"rooms", {"50"}}}), rng);
  EXPECT_EQ(rooms.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(rooms.status().message()), HasSubstr("rooms: expected"));
}

}  // namespace
}  // namespace millrace::hide_and_seek
