#include "env/hide_and_seek/scene.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "hand_made_world.h"

namespace millrace::hide_and_seek {
namespace {

constexpr double kFull = 90;  // N or N m

std::unique_ptr<Scene> Open(const Places& places) {
  auto scene = Scene::Create(Settings(), HandMadeWorld(places));
  EXPECT_TRUE(scene.ok()) << scene.status();
  return *std::move(scene);
}

TEST(Scene, BeginsWhereTheWorldSays) {
  const auto scene = Open({.hiders = {{1, 2}},
                           .boxes = {{.size = {1.65, 0.15, 0.5}, .x = 3, .y = 4}},
                           .ramps = {Cube(1, 5)}});
  EXPECT_EQ(scene->num_bodies(), 3);
  const std::array<double, 4> agent = {1, 2, 0, 0}, box = {3, 4, 0, 0};
  EXPECT_TRUE(std::ranges::equal(scene->Position(0), agent));
  EXPECT_TRUE(std::ranges::equal(scene->Position(1), box));
  EXPECT_NEAR(scene->Centre(0)[0], 1.15, 1e-12);
  EXPECT_NEAR(scene->Centre(0)[2], 0.15, 1e-12);
  EXPECT_NEAR(scene->Centre(1)[0], 3.825, 1e-12);
  // A prism's centre of mass is a third of the way from its tall face and from its base.
  EXPECT_NEAR(scene->ShapeCentre(2)[1], 5.25 - 1.0 / 12, 1e-6);
  EXPECT_NEAR(scene->ShapeCentre(2)[2], 0.25 - 1.0 / 12, 1e-6);
}

// Measured with OpenAI's constants, the same on every MuJoCo since 2.2.
TEST(Scene, AgentsSpeedUpAsTheOriginals) {
  const auto scene = Open({.hiders = {{-20, 1}}});
  const std::array<double, 6> metres = {0.19, 0.59, 1.09, 1.64, 2.22, 2.81};
  for (const double expected : metres) {
    scene->Push(0, kFull, 0, 0);
    ASSERT_TRUE(scene->Step());
    EXPECT_NEAR(scene->Position(0)[0] + 20, expected, 0.006);
  }
  EXPECT_NEAR(scene->Position(0)[1], 1, 1e-9);
}

TEST(Scene, AgentsTurnAsTheOriginals) {
  const auto scene = Open({.hiders = {{1, 1}}});
  scene->Push(0, 0, 0, kFull);
  ASSERT_TRUE(scene->Step());
  EXPECT_NEAR(scene->Position(0)[3], 0.667, 0.001);
  ASSERT_TRUE(scene->Step());
  EXPECT_NEAR(scene->Position(0)[3], 0.667 + 0.675, 0.002);
}

// Twenty steps of ramming from a third of a metre away.
double Rammed(bool locked) {
  const auto scene = Open({.hiders = {{1, 1.1}}, .boxes = {Cube(1.6, 1)}});
  if (locked) scene->Lock(0);
  for (int i = 0; i < 20; ++i) {
    scene->Push(0, kFull, 0, 0);
    EXPECT_TRUE(scene->Step());
  }
  return scene->Position(1)[0] - 1.6;
}

TEST(Scene, LockedThingsHardlyMove) {
  EXPECT_LT(Rammed(/*locked=*/true), 0.01);
  EXPECT_GT(Rammed(/*locked=*/false), 3);
}

TEST(Scene, UnlockedThingsFallEvenIfAsleep) {
  const auto scene = Open({.hiders = {{1, 1}}, .boxes = {Cube(3, 3)}});
  std::vector<double> qpos(scene->qpos().begin(), scene->qpos().end());
  qpos[Scene::kJoints + 2] = 1;  // a metre above the floor
  scene->SetState(qpos, std::vector<double>(qpos.size()));
  scene->Lock(0);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(scene->Step());
  EXPECT_NEAR(scene->Position(1)[2], 1, 0.01);
  scene->Unlock(0);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(scene->Step());
  EXPECT_NEAR(scene->Position(1)[2], 0, 0.01);
}

// Of the thing in the agent's frame.
std::array<double, 3> Relative(const Scene& scene, int body) {
  const Vector3 agent = scene.Centre(0), thing = scene.Centre(body);
  const double yaw = scene.Position(0)[3];
  const double x = thing[0] - agent[0], y = thing[1] - agent[1];
  return {std::cos(yaw) * x + std::sin(yaw) * y, std::cos(yaw) * y - std::sin(yaw) * x,
          scene.Position(body)[3] - yaw};
}

TEST(Scene, HeldThingsComeAlong) {
  const auto scene = Open({.hiders = {{2, 2}}, .boxes = {Cube(2.35, 1.9)}});
  const auto before = Relative(*scene, 1);
  scene->Hold(0, 0);
  for (int i = 0; i < 20; ++i) {
    scene->Push(0, i % 8 < 4 ? kFull / 2 : -kFull / 2, 0, i % 6 < 3 ? kFull / 10 : -kFull / 10);
    ASSERT_TRUE(scene->Step());
    const auto now = Relative(*scene, 1);
    EXPECT_LT(std::hypot(now[0] - before[0], now[1] - before[1]), 0.06) << "step " << i;
  }
  scene->Hold(0, Scene::kNoThing);
  for (int i = 0; i < 10; ++i) {
    scene->Push(0, -kFull, 0, 0);
    ASSERT_TRUE(scene->Step());
  }
  EXPECT_GT(std::abs(Relative(*scene, 1)[0] - before[0]), 1);
}

TEST(Scene, DistancesAreToTheSurface) {
  const auto scene = Open(
      {.hiders = {{2, 2}}, .boxes = {{.size = {0.15, 1.65, 0.5}, .x = 2.5, .y = 1}, Cube(2, 2)}});
  EXPECT_NEAR(scene->Distance(0, 0), 2.5 - 2.15, 1e-12);
  EXPECT_EQ(scene->Distance(0, 1), 0);  // inside
  std::vector<double> qpos(scene->qpos().begin(), scene->qpos().end());
  // Turned, the long box reaches from x = 1.75 to 3.4 and from y = 1.75 to 1.9.
  qpos[Scene::kJoints + 3] = std::numbers::pi / 2;
  scene->SetState(qpos, std::vector<double>(qpos.size()));
  EXPECT_NEAR(scene->Distance(0, 0), 2.15 - 1.9, 1e-12);
}

TEST(Scene, GoesOnBitForBit) {
  const auto begin = [] {
    return Open({.hiders = {{2, 2}, {4, 4}},
                 .boxes = {Cube(2.35, 1.9), Cube(1, 4)},
                 .ramps = {Cube(4, 1)}});
  };
  const auto scene = begin(), other = begin();
  const auto drive = [](Scene& driven, int from, int to) {
    for (int i = from; i < to; ++i) {
      if (i == 3) driven.Hold(0, 0);
      if (i == 6) driven.Lock(1);
      if (i == 30) driven.Unlock(1);
      driven.Push(0, i % 5 < 3 ? kFull : -kFull, 18 * (i % 3), -18);
      driven.Push(1, -kFull, i % 7 < 4 ? kFull : -kFull, 0);
      ASSERT_TRUE(driven.Step());
    }
  };
  drive(*scene, 0, 25);
  ASSERT_TRUE(other->Restore(scene->Save()).ok());
  EXPECT_EQ(other->held(0), 0);
  drive(*scene, 25, 60);
  drive(*other, 25, 60);
  EXPECT_TRUE(std::ranges::equal(scene->qpos(), other->qpos()));
  EXPECT_TRUE(std::ranges::equal(scene->qvel(), other->qvel()));
  EXPECT_FALSE(other->Restore("nonsense").ok());
}

}  // namespace
}  // namespace millrace::hide_and_seek
