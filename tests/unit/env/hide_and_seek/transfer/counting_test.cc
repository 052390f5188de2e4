#include "env/hide_and_seek/transfer/counting.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "env/hide_and_seek/transfer/counting_world.h"
#include "task_episode.h"

namespace millrace::hide_and_seek {
namespace {

std::unique_ptr<Episode> Begin(const std::vector<bool>& goes_right, const Given& given = {}) {
  const Settings settings = ReadTask(Game::kCounting, given);
  Rng rng(1, kWorldStream);
  World world = DrawCountingWorld(settings, rng);
  world.goes_right = goes_right;
  return BeginTask(settings, world);
}

const std::vector<bool> kTwoGoRight = {false, true, false, false, true, false};

TEST(Counting, BoxesAreSeenOneAfterAnotherAndThenNoMore) {
  const auto episode = Begin(kTwoGoRight);
  const Scene& scene = episode->scene();
  std::vector<int> seen(kCountedBoxes);
  while (episode->step() < CountingSteps()) {
    for (int box = 0; box < kCountedBoxes; ++box) {
      seen[static_cast<size_t>(box)] += episode->sight().Sees(0, 1 + box) ? 1 : 0;
    }
    EXPECT_EQ(StepTask(*episode, Moving(0, 0)), 0);
  }
  for (int box = 0; box < kCountedBoxes; ++box) {
    EXPECT_GE(seen[static_cast<size_t>(box)], 3) << box;
    EXPECT_FALSE(episode->sight().Sees(0, 1 + box)) << box;
    const double way = scene.Centre(1 + box)[0] - 3;
    EXPECT_EQ(way > 0, kTwoGoRight[static_cast<size_t>(box)]);
    EXPECT_NEAR(std::abs(way), 2.3, 0.2);
    EXPECT_NEAR(scene.Velocity(1 + box)[0], 0, 0.05);
  }
}

TEST(Counting, TheAgentDoesNotMove) {
  const auto episode = Begin(kTwoGoRight);
  Action all = Moving(0, 0);
  all.move[2] = 0;
  all.pull = all.glue = true;
  while (!episode->over()) StepTask(*episode, all);
  EXPECT_NEAR(episode->scene().Centre(0)[0], 3, 1e-6);
  EXPECT_NEAR(episode->scene().Centre(0)[1], 5.6, 1e-6);
  EXPECT_EQ(episode->scene().Position(0)[3], 0);
}

// The reward of the last step, in which force_x is `answer`.
float Answer(Episode& episode, int32_t answer) {
  while (episode.step() + 1 < episode.settings().horizon) {
    EXPECT_EQ(episode.progress(), 0);
    EXPECT_EQ(StepTask(episode, Moving(2, 0)), 0);
    EXPECT_FALSE(episode.ended());
  }
  EXPECT_EQ(episode.progress(), 1);
  const float reward = StepTask(episode, Moving(answer, 0));
  EXPECT_TRUE(episode.ended());
  return reward;
}

TEST(Counting, PaysOneForTheRightNumberInTheLastStep) {
  for (int32_t answer = 0; answer < kMoveChoices; ++answer) {
    EXPECT_EQ(Answer(*Begin(kTwoGoRight), answer), answer == 2 ? 1 : 0) << answer;
  }
  EXPECT_EQ(Answer(*Begin(std::vector<bool>(6, false)), 0), 1);
  EXPECT_EQ(Answer(*Begin(std::vector<bool>(6, true)), 6), 1);
}

TEST(Counting, WaitsBeforeItAsks) {
  EXPECT_EQ(CountingSteps(), 38);
  EXPECT_EQ(ReadTask(Game::kCounting).horizon, 49);
  EXPECT_EQ(ReadTask(Game::kCounting, {{"delay", {"0"}}}).horizon, 39);
}

// In the order of success, success_at_end, success_steps, return, discarded, answer, right.
TEST(Counting, SaysWhatWasAnsweredAndWhatWasRight) {
  const std::vector<double> right = PlayTask(*Begin(kTwoGoRight), Moving(2, 5));
  EXPECT_EQ(right, (std::vector<double>{1, 1, 1, 1, 0, 2, 2}));
  const std::vector<double> wrong = PlayTask(*Begin(kTwoGoRight), Moving(3, 5));
  EXPECT_EQ(wrong, (std::vector<double>{0, 0, 0, 0, 0, 3, 2}));
}

TEST(Counting, EveryNumberIsAsLikely) {
  const Settings settings = ReadTask(Game::kCounting);
  std::map<int64_t, int> counts;
  std::vector<int> right(kCountedBoxes);
  for (uint64_t seed = 0; seed < 700; ++seed) {
    Rng rng(seed, kWorldStream);
    const auto world = DrawWorld(settings, rng);
    ASSERT_TRUE(world.ok());
    ++counts[std::ranges::count(world->goes_right, true)];
    for (size_t box = 0; box < right.size(); ++box) right[box] += world->goes_right[box] ? 1 : 0;
  }
  // 100 and 350 expected; 4 standard deviations.
  EXPECT_EQ(counts.size(), 7);
  for (const auto& [number, times] : counts) EXPECT_NEAR(times, 100, 37) << number;
  for (const int times : right) EXPECT_NEAR(times, 350, 53);
}

}  // namespace
}  // namespace millrace::hide_and_seek
