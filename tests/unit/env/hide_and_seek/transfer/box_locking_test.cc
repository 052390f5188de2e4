#include "env/hide_and_seek/transfer/box_locking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "task_episode.h"

namespace millrace::hide_and_seek {
namespace {

using testing::ElementsAre;

constexpr float kClose = 1e-3F;  // what settles at the first contact with the floor
constexpr int32_t kFull = kMoveChoices - 1;

// The agent's middle is (3.15, 3.15) and it faces low y. The box's is (3.15, 2.7): 0.45 m away,
// 0.2 m to its side, in sight.
const Places kBoxInFront = {.hiders = {{3, 3}}, .boxes = {Cube(2.9, 2.45)}};

std::unique_ptr<Episode> LockAndReturn(const Places& places, const Given& given = {}) {
  return BeginTask(ReadTask(Game::kLockAndReturn, given), HandMadeWorld(places));
}

TEST(LockAndReturn, PaysForTheLockForWhatWasLeftOfTheWayAndForBeingBack) {
  const auto episode = LockAndReturn(kBoxInFront);
  EXPECT_NEAR(StepTask(*episode), 0, kClose);
  // 5 + 0.5 x 0.45 + 1
  EXPECT_NEAR(StepTask(*episode, Locking()), 6.225, kClose);
  EXPECT_TRUE(episode->locked(0));
  EXPECT_NEAR(StepTask(*episode, Locking()), 1, kClose);
}

TEST(LockAndReturn, UnlockingCostsTheLockAndTheWayBackToTheBox) {
  const auto episode = LockAndReturn(kBoxInFront);
  StepTask(*episode, Locking());
  // -5 - 0.5 x 0.45
  EXPECT_NEAR(StepTask(*episode), -5.225, kClose);
  EXPECT_FALSE(episode->locked(0));
  // All in all a lock that is given back is worth the 1 of the step in which it was held.
}

TEST(LockAndReturn, PaysHalfAMetrePerMetreTowardsTheBox) {
  // The middles are (1.15, 3.15) and (5.15, 3.15): 4 m.
  const auto episode = LockAndReturn({.hiders = {{1, 3}}, .boxes = {Cube(4.9, 2.9)}});
  // The first step of full throttle takes the agent 0.19 m.
  EXPECT_NEAR(StepTask(*episode, Moving(kFull, kNeutralMove)), 0.095, 0.005);
  const double before = episode->scene().Centre(0)[0];
  const float away = StepTask(*episode, Moving(0, kNeutralMove));
  EXPECT_NEAR(away, 0.5 * (episode->scene().Centre(0)[0] - before), kClose);
}

TEST(LockAndReturn, PaysHalfAMetrePerMetreTowardsTheSpawnOnceLocked) {
  const auto episode = LockAndReturn(kBoxInFront);
  StepTask(*episode, Locking());
  Action away = Moving(kFull, kNeutralMove), back = Moving(0, kNeutralMove);
  away.glue = back.glue = true;
  double gone = 0;
  for (int step = 0; step < 3; ++step) {
    const float reward = StepTask(*episode, away);
    const double now = episode->scene().Position(0)[0] - 3;
    EXPECT_GT(now, gone);
    EXPECT_NEAR(reward, -0.5 * (now - gone) + (now <= 0.1 ? 1 : 0), kClose);
    gone = now;
  }
  EXPECT_GT(gone, 0.4);
  // The box is out of reach: nobody unlocks it.
  const float first = StepTask(*episode, back);
  EXPECT_NEAR(first, 0.5 * (gone - (episode->scene().Position(0)[0] - 3)), kClose);
  EXPECT_TRUE(episode->locked(0));
}

TEST(LockAndReturn, IsBackWithinATenthOfAMetre) {
  for (const auto& [radius, reward] : {std::pair{"0.1", 0.0}, {"0.3", 1.0}}) {
    const auto episode = LockAndReturn(kBoxInFront, {{"spawn_radius", {radius}}});
    StepTask(*episode, Locking());
    Action away = Moving(kFull, kNeutralMove);
    away.glue = true;
    const float paid = StepTask(*episode, away);  // 0.19 m
    EXPECT_NEAR(paid, reward - 0.095, 0.005) << radius;
  }
}

TEST(LockAndReturn, EndsByItsHorizonAlone) {
  const auto episode = LockAndReturn(kBoxInFront);
  while (!episode->over()) {
    ASSERT_FALSE(episode->ended());
    StepTask(*episode, Locking());
  }
  EXPECT_EQ(episode->step(), 120);
}

// In the order of success, success_at_end, success_steps, return, discarded, locked, returned.
TEST(LockAndReturn, CountsSuccessesAtAnyStepAndAtTheEnd) {
  const Given short_episode = {{"horizon", {"4"}}};
  EXPECT_THAT(PlayTask(*LockAndReturn(kBoxInFront, short_episode), Locking()),
              ElementsAre(1, 1, 4, testing::DoubleNear(9.225, 0.01), 0, 1, 1));
  EXPECT_THAT(PlayTask(*LockAndReturn(kBoxInFront, short_episode), Action()),
              ElementsAre(0, 0, 0, testing::DoubleNear(0, 0.01), 0, 0, 1));
  // Gone after the lock: 0.19, 0.59, 1.09 and 1.64 m away.
  Action away = Moving(kFull, kNeutralMove);
  away.glue = true;
  EXPECT_THAT(PlayTask(*LockAndReturn(kBoxInFront, short_episode), away),
              ElementsAre(0, 0, 0, testing::_, 0, 1, 0));
  const auto episode = LockAndReturn(kBoxInFront, short_episode);
  EXPECT_THAT(episode->rules().StatisticNames(),
              ElementsAre("success", "success_at_end", "success_steps", "return", "discarded",
                          "locked", "returned"));
}

TEST(LockAndReturn, SaysNothingOfEpisodesThatItDidNotSeeBegin) {
  const auto episode = LockAndReturn(kBoxInFront);
  StepTask(*episode);
  const auto record = episode->rules().NewRecord(*episode);
  record->Count(std::vector{StepTask(*episode)});
  const auto numbers = record->Finish(/*discarded=*/false);
  EXPECT_TRUE(std::isnan(numbers[0]));
  EXPECT_EQ(numbers[4], 0);
}

TEST(LockAndReturn, NeedsSightAndReachToLock) {
  const auto behind = LockAndReturn({.hiders = {{3, 3}}, .boxes = {Cube(2.9, 3.35)}});
  StepTask(*behind, Locking());
  EXPECT_FALSE(behind->locked(0));
  const auto unseen =
      LockAndReturn({.hiders = {{3, 3}}, .boxes = {Cube(2.9, 3.35)}}, {{"lock_unseen", {"true"}}});
  StepTask(*unseen, Locking());
  EXPECT_TRUE(unseen->locked(0));
}

// The agent at (3, 3) reaches box 0 before it and box 1 behind it, 0.45 m away each.
std::unique_ptr<Episode> SequentialLock(const std::vector<int>& order) {
  World world = HandMadeWorld(
      {.hiders = {{3, 3}}, .boxes = {Cube(2.9, 2.45), Cube(2.9, 3.35), Cube(0.5, 0.5)}});
  world.lock_order = order;
  return BeginTask(ReadTask(Game::kSequentialLock, {{"lock_unseen", {"true"}}}), world);
}

TEST(SequentialLock, LocksTheNextBoxOfTheOrderAlone) {
  const auto episode = SequentialLock({1, 0, 2});
  // Box 1 is the target, 5 + 0.5 x 0.45; box 0 is in reach too, but not its turn.
  EXPECT_NEAR(StepTask(*episode, Locking()), 5.225, kClose);
  EXPECT_FALSE(episode->locked(0));
  EXPECT_TRUE(episode->locked(1));
  EXPECT_NEAR(StepTask(*episode, Locking()), 5.225, kClose);
  EXPECT_TRUE(episode->locked(0));
  // Next is box 2, which is far away.
  EXPECT_NEAR(StepTask(*episode, Locking()), 0, kClose);
  const auto other = SequentialLock({2, 0, 1});
  EXPECT_NEAR(StepTask(*other, Locking()), 0, kClose);
  EXPECT_FALSE(other->locked(0));
  EXPECT_FALSE(other->locked(1));
}

TEST(SequentialLock, LockedBoxesAreUnlockedWhateverTheirTurn) {
  const auto episode = SequentialLock({1, 0, 2});
  StepTask(*episode, Locking());
  StepTask(*episode, Locking());
  // Both at once: -2 x 5; the target is box 1 again, 0.45 m away.
  EXPECT_NEAR(StepTask(*episode), -10.225, kClose);
}

TEST(SequentialLock, PaysOneAStepWhileAllAreLockedWhereverTheAgentIs) {
  World world = HandMadeWorld({.hiders = {{3, 3}}, .boxes = {Cube(2.9, 2.45)}});
  world.lock_order = {0};
  const auto episode = BeginTask(ReadTask(Game::kSequentialLock), world);
  EXPECT_NEAR(StepTask(*episode, Locking()), 6.225, kClose);
  Action away = Moving(kFull, kNeutralMove);
  away.glue = true;
  for (int step = 0; step < 4; ++step) EXPECT_NEAR(StepTask(*episode, away), 1, kClose);
  EXPECT_GT(episode->scene().Position(0)[0], 4);
  EXPECT_THAT(episode->rules().Progress(*episode), 0);
}

TEST(SequentialLock, DrawsThreeClosedRoomsEachWithARamp) {
  const Settings settings = ReadTask(Game::kSequentialLock);
  std::set<std::vector<int>> orders;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Rng rng(seed, kWorldStream);
    const auto world = DrawWorld(settings, rng);
    ASSERT_TRUE(world.ok()) << world.status();
    EXPECT_EQ(world->boxes.size(), 4);
    EXPECT_TRUE(world->plan.doors.empty());
    ASSERT_EQ(world->plan.rooms.size(), 3);
    ASSERT_EQ(world->ramps.size(), 3);
    for (size_t i = 0; i < 3; ++i) {
      const Cells& room = world->plan.rooms[i];
      const Thing& ramp = world->ramps[i];
      EXPECT_GE(ramp.x, room.x0 * 0.2 - 1e-9);
      EXPECT_GE(ramp.y, room.y0 * 0.2 - 1e-9);
      EXPECT_LE(ramp.x + 0.5, room.x1 * 0.2 + 1e-9);
      EXPECT_LE(ramp.y + 0.5, room.y1 * 0.2 + 1e-9);
    }
    EXPECT_THAT(world->lock_order, testing::UnorderedElementsAre(0, 1, 2, 3));
    orders.insert(world->lock_order);
  }
  EXPECT_GT(orders.size(), 15);  // of 24
  Rng rng(1, kWorldStream);
  const auto fixed = DrawWorld(ReadTask(Game::kSequentialLock, {{"fixed_order", {"true"}}}), rng);
  EXPECT_THAT(fixed->lock_order, ElementsAre(0, 1, 2, 3));
}

TEST(LockAndReturn, DrawsSixRoomsWithDoorsOneAgentAndOneBox) {
  const Settings settings = ReadTask(Game::kLockAndReturn);
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Rng rng(seed, kWorldStream);
    const auto world = DrawWorld(settings, rng);
    ASSERT_TRUE(world.ok()) << world.status();
    EXPECT_EQ(world->num_agents(), 1);
    EXPECT_EQ(world->hiders, 1);
    EXPECT_EQ(world->boxes.size(), 1);
    EXPECT_TRUE(world->ramps.empty());
    EXPECT_EQ(world->plan.doors.size(), 5) << seed;
  }
}

}  // namespace
}  // namespace millrace::hide_and_seek
