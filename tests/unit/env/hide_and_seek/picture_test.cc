#include "env/hide_and_seek/picture.h"

#include <gmock/gmock.h>

#include <cmath>
#include <numbers>

#include "hand_made_world.h"

namespace millrace::hide_and_seek {
namespace {

using shapes::Circle, shapes::Color, shapes::Label, shapes::Line, shapes::Point, shapes::Polygon;
using testing::HasSubstr;

std::unique_ptr<Episode> Begin(const Settings& settings, const Places& places) {
  auto episode = Episode::Begin(settings, HandMadeWorld(places), /*seed=*/1);
  EXPECT_TRUE(episode.ok()) << episode.status();
  return *std::move(episode);
}

template <typename Shape>
std::vector<Shape> All(const Drawing& drawing) {
  std::vector<Shape> found;
  for (const shapes::Shape& shape : drawing.shapes) {
    if (const Shape* one = std::get_if<Shape>(&shape)) found.push_back(*one);
  }
  return found;
}

// The polygons and circles that the map shows as this.
template <typename Shape>
std::vector<Shape> Marked(const Drawing& drawing, const std::string& mark) {
  std::vector<Shape> found = All<Shape>(drawing);
  std::erase_if(found, [&mark](const Shape& shape) { return shape.mark != mark; });
  return found;
}

void ExpectNear(const Point& point, double x, double y) {
  EXPECT_NEAR(point.x, x, 1e-6);
  EXPECT_NEAR(point.y, y, 1e-6);
}

Point Middle(const Polygon& polygon) {
  Point middle;
  for (const Point& corner : polygon.corners) {
    middle.x += corner.x / static_cast<double>(polygon.corners.size());
    middle.y += corner.y / static_cast<double>(polygon.corners.size());
  }
  return middle;
}

bool SameHue(const Color& a, const Color& b) {
  return a.red == b.red && a.green == b.green && a.blue == b.blue;
}

// hider_0 below, seeker_0 above; both face low y at first.
const Places kPlaces = {.hiders = {{3, 1}},
                        .seekers = {{3, 4}},
                        .boxes = {Cube(1, 2), {.size = {1.65, 0.15, 0.5}, .x = 4, .y = 5}},
                        .ramps = {Cube(1, 4)}};

TEST(Picture, ShowsEverythingWhereItIs) {
  const Settings settings;
  const auto episode = Begin(settings, kPlaces);
  const Drawing drawing = DrawEpisode(settings, *episode);
  ExpectNear(drawing.low, 0, 0);
  ExpectNear(drawing.high, 6, 6);
  const auto boxes = Marked<Polygon>(drawing, "[]");
  ASSERT_EQ(boxes.size(), 2u);
  ExpectNear(Middle(boxes[0]), 1.25, 2.25);
  ExpectNear(boxes[1].corners[0], 4, 5);
  ExpectNear(boxes[1].corners[2], 5.65, 5.15);
  const auto ramps = Marked<Polygon>(drawing, "/\\");
  ASSERT_EQ(ramps.size(), 1u);
  ExpectNear(Middle(ramps[0]), 1.25, 4.25);
  const auto hiders = Marked<Circle>(drawing, "Hv"), seekers = Marked<Circle>(drawing, "Sv");
  ASSERT_EQ(hiders.size(), 1u);
  ASSERT_EQ(seekers.size(), 1u);
  ExpectNear(hiders[0].centre, 3.15, 1.15);
  ExpectNear(seekers[0].centre, 3.15, 4.15);
  EXPECT_FALSE(SameHue(hiders[0].paint.fill, seekers[0].paint.fill));
  EXPECT_EQ(All<Circle>(drawing).size(), 6u) << "two agents with two arms each";
  EXPECT_EQ(All<Label>(drawing).size(), 2u);
  EXPECT_EQ(All<Line>(drawing).size(), 60u) << "30 rays of lidar each, and no grip";
}

TEST(Picture, TurnsWhatHasTurned) {
  const Settings settings;
  const auto episode = Begin(settings, kPlaces);
  std::vector<double> qpos(episode->scene().qpos().begin(), episode->scene().qpos().end());
  qpos[3] = std::numbers::pi / 2;                       // the hider then faces +x
  qpos[2 * Scene::kJoints + 3] = std::numbers::pi / 4;  // the cube stands on a corner
  episode->scene().SetState(qpos, std::vector<double>(qpos.size()));
  episode->Look();
  const Drawing drawing = DrawEpisode(settings, *episode);
  EXPECT_EQ(Marked<Circle>(drawing, "H>").size(), 1u);
  const auto boxes = Marked<Polygon>(drawing, "[]");
  ExpectNear(boxes[0].corners[0], 1.25, 2.25 - std::sqrt(0.125));
  ExpectNear(Middle(boxes[0]), 1.25, 2.25);
}

TEST(Picture, LocksHaveTheirTeamsColour) {
  const Settings settings;
  const auto episode = Begin(settings, kPlaces);
  episode->SetLock(0, /*locked=*/true, /*owner=*/0);
  episode->SetLock(2, /*locked=*/true, /*owner=*/1);
  const Drawing drawing = DrawEpisode(settings, *episode);
  const auto free = Marked<Polygon>(drawing, "[]"), box = Marked<Polygon>(drawing, "[h"),
             ramp = Marked<Polygon>(drawing, "/s");
  ASSERT_EQ(free.size(), 1u);
  ASSERT_EQ(box.size(), 1u);
  ASSERT_EQ(ramp.size(), 1u);
  EXPECT_EQ(box[0].paint.stroke, Marked<Circle>(drawing, "Hv")[0].paint.fill);
  EXPECT_EQ(ramp[0].paint.stroke, Marked<Circle>(drawing, "Sv")[0].paint.fill);
  EXPECT_GT(box[0].paint.stroke_width, free[0].paint.stroke_width);
}

TEST(Picture, GripsAreLinesFromAgentsToWhatTheyHold) {
  const Settings settings;
  const auto episode = Begin(settings, kPlaces);
  episode->scene().Hold(0, 0);
  const auto lines = All<Line>(DrawEpisode(settings, *episode));
  ASSERT_EQ(lines.size(), 61u);
  ExpectNear(lines.back().from, 3.15, 1.15);
  ExpectNear(lines.back().to, 1.25, 2.25);
}

TEST(Picture, RaysAreAsLongAsTheLidarSays) {
  Settings settings;
  settings.lidar_rays = 4;
  const auto lines = All<Line>(DrawEpisode(settings, *Begin(settings, kPlaces)));
  ASSERT_EQ(lines.size(), 8u);
  ExpectNear(lines[0].to, 3.15 + 6, 1.15);  // nothing on the way to +x
  ExpectNear(lines[1].to, 3.15, 4);         // the seeker's lower rim
}

TEST(Picture, SectorsEndAtWhatIsInTheWay) {
  const Settings settings;
  const Drawing drawing =
      DrawEpisode(settings, *Begin(settings, {.hiders = {{3, 3}}, .boxes = {Cube(2.9, 2)}}));
  const auto polygons = All<Polygon>(drawing);
  const auto sector = std::ranges::find_if(
      polygons, [](const Polygon& polygon) { return polygon.corners.size() > 10; });
  ASSERT_NE(sector, polygons.end());
  ExpectNear(sector->corners[0], 3.15, 3.15);
  ExpectNear(sector->corners[sector->corners.size() / 2], 3.15, 2.5);  // straight ahead
  EXPECT_LT(sector->paint.fill.opacity, 0.5);
}

TEST(Picture, DoorsAreTheGapsInWalls) {
  const Settings settings;
  World world = HandMadeWorld({.hiders = {{1, 1}}});
  world.plan.walls = {{15, 1, 15, 4}, {15, 7, 15, 14}};
  world.plan.doors = {{15, 5, 15, 6}};
  const auto episode = Episode::Begin(settings, world, 1).value();
  const Drawing drawing = DrawEpisode(settings, *episode);
  const auto walls = Marked<Polygon>(drawing, "##");
  ASSERT_EQ(walls.size(), 2u);
  const double above = walls[0].corners[2].y, below = walls[1].corners[0].y;
  EXPECT_NEAR(below - above, 0.7, 1e-9);
  const auto door = All<Polygon>(drawing)[1];  // after the floor
  ExpectNear(door.corners[0], walls[0].corners[0].x, above);
  ExpectNear(door.corners[2], walls[0].corners[2].x, below);
}

TEST(Picture, GrowsToHoldWhoIsOutside) {
  const Settings settings;
  const Drawing drawing =
      DrawEpisode(settings, *Begin(settings, {.hiders = {{-2.5, 1}}, .seekers = {{1, 6.4}}}));
  ExpectNear(drawing.low, -3, 0);
  ExpectNear(drawing.high, 6, 7);
}

TEST(Picture, SaysWhatGoesOn) {
  const Settings settings;
  const auto seen = Begin(settings, {.hiders = {{3, 2}}, .seekers = {{3, 4}}});
  EXPECT_EQ(DrawEpisode(settings, *seen).caption,
            "preparation, 32 steps left: seeker_0 sees hider_0");
  seen->set_step(32);
  EXPECT_EQ(DrawEpisode(settings, *seen).caption, "hide and seek: seeker_0 sees hider_0");
  const auto unseen = Begin(settings, {.hiders = {{3, 4}}, .seekers = {{3, 2}}});
  EXPECT_THAT(DrawEpisode(settings, *unseen).caption, HasSubstr("no hider is seen"));
}

TEST(Picture, FoodFadesAsItIsEaten) {
  Settings settings;
  settings.food = 1;
  World world = HandMadeWorld({.hiders = {{1, 1}}});
  world.food = {{4, 4}};
  const auto episode = Episode::Begin(settings, world, 1).value();
  const auto full = Marked<Circle>(DrawEpisode(settings, *episode), "**");
  ASSERT_EQ(full.size(), 1u);
  EXPECT_EQ(full[0].paint.fill.opacity, 1);
  episode->food().Set(0, 10, 0);
  EXPECT_EQ(Marked<Circle>(DrawEpisode(settings, *episode), "**")[0].paint.fill.opacity, 0.25);
}

}  // namespace
}  // namespace millrace::hide_and_seek
