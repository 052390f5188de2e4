#include "env/hide_and_seek/transfer/blueprint.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "task_episode.h"

namespace millrace::hide_and_seek {
namespace {

std::unique_ptr<Episode> Begin(const std::vector<Thing>& boxes,
                               const std::vector<std::array<double, 2>>& sites,
                               const Given& given = {}) {
  World world = HandMadeWorld({.hiders = {{0.5, 5}}, .boxes = boxes});
  world.sites = sites;
  return BeginTask(ReadTask(Game::kBlueprint, given), world);
}

TEST(Blueprint, CostsTheSoftMinimumOfTheDistancesBetweenCorners) {
  // A box 1 m beside the site: from the site's corners to the box's are, for those on the side of
  // the box, 0.5, sqrt(0.5), 1, sqrt(1.25) m, and for the others 1, sqrt(1.25), 1.5, sqrt(2.5).
  const auto soft = [](const std::vector<double>& distances) {
    double sum = 0, weights = 0;
    for (const double d : distances) {
      sum += d * std::exp(-1.5 * d);
      weights += std::exp(-1.5 * d);
    }
    return sum / weights;
  };
  const double near = soft({0.5, std::sqrt(0.5), 1, std::sqrt(1.25)});
  const double far = soft({1, std::sqrt(1.25), 1.5, std::sqrt(2.5)});
  EXPECT_NEAR(near, 0.7432, 1e-4);
  EXPECT_NEAR(far, 1.2119, 1e-4);
  const auto episode = Begin({Cube(2.75, 2.75)}, {{2, 3}});
  EXPECT_NEAR(StepTask(*episode), -0.05 * (near + far) / 2, 1e-4);
  EXPECT_FALSE(episode->ended());
}

TEST(Blueprint, TakesTheMeanOverTheCornersOfAllSites) {
  const auto reward = [](const std::vector<std::array<double, 2>>& sites) {
    return StepTask(*Begin({Cube(2.75, 2.75)}, sites));
  };
  const float one = reward({{2, 3}}), other = reward({{4, 5}});
  EXPECT_NEAR(reward({{2, 3}, {4, 5}}), (one + other) / 2, 1e-5);
}

TEST(Blueprint, EndsWithThreeForEverySiteOnceAllAreFilled) {
  const auto episode = Begin({Cube(1.8, 2.7), Cube(3.8, 2.8)}, {{2, 3}, {4, 3}});
  const float reward = StepTask(*episode);
  EXPECT_TRUE(episode->ended());
  EXPECT_FALSE(episode->over());
  // 3 x 2, less the mean distance, which no sum of other corners makes 0.
  EXPECT_GT(reward, 5.9);
  EXPECT_LT(reward, 6);
}

TEST(Blueprint, IsFilledOnlyByBoxesWithinATenthOfAMetre) {
  const auto ended = [](double x, const std::vector<std::array<double, 2>>& sites) {
    const auto episode = Begin({Cube(x, 2.75)}, sites);
    StepTask(*episode);
    return episode->ended();
  };
  EXPECT_TRUE(ended(1.84, {{2, 3}}));   // 0.09 m off
  EXPECT_FALSE(ended(1.86, {{2, 3}}));  // 0.11 m off
  EXPECT_FALSE(ended(1.75, {{2, 3}, {4, 3}}));
}

TEST(Blueprint, WantsCornersInPlaceToo) {
  const auto episode = Begin({Cube(1.75, 2.75)}, {{2, 3}});
  std::vector<double> qpos(episode->scene().qpos().begin(), episode->scene().qpos().end());
  const std::vector<double> qvel(qpos.size());
  const auto ended_at = [&](double yaw) {
    qpos[7] = yaw;
    episode->scene().SetState(qpos, qvel);
    return episode->ended();
  };
  EXPECT_TRUE(ended_at(0));
  // An eighth of a turn: the middle is right, corners are 2 x 0.3536 x sin(22.5 degrees) = 0.27
  // off.
  EXPECT_FALSE(ended_at(std::acos(-1) / 4));
  EXPECT_TRUE(ended_at(std::acos(-1) / 2));
}

// In the order of success, success_at_end, success_steps, return, discarded, sites_done, distance.
TEST(Blueprint, CountsTheSitesThatAreDone) {
  const auto numbers =
      PlayTask(*Begin({Cube(1.75, 2.75)}, {{2, 3}, {4, 3}}, {{"horizon", {"5"}}}), Action());
  EXPECT_EQ(numbers[0], 0);
  EXPECT_EQ(numbers[5], 0.5);
  EXPECT_NEAR(numbers[3], -0.05 * 5 * numbers[6], 0.002);
  const auto done = PlayTask(*Begin({Cube(1.75, 2.75)}, {{2, 3}}), Action());
  EXPECT_EQ(done[0], 1);
  EXPECT_EQ(done[2], 1);
  EXPECT_EQ(done[5], 1);
}

TEST(Blueprint, DrawsOneToFourSitesAwayFromTheWalls) {
  std::set<size_t> counts;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Rng rng(seed, kWorldStream);
    const auto world = DrawWorld(ReadTask(Game::kBlueprint), rng);
    ASSERT_TRUE(world.ok()) << world.status();
    EXPECT_EQ(world->boxes.size(), 8);
    EXPECT_EQ(world->plan.walls.size(), 4);
    counts.insert(world->sites.size());
    for (const auto& [x, y] : world->sites) {
      // First cells 2 to 23 of 30: the square begins at 0.4 m and ends at 5.2 m.
      for (const double at : {x, y}) {
        EXPECT_GE(at - 0.25, 0.4 - 1e-9);
        EXPECT_LE(at + 0.25, 5.2 + 1e-9);
      }
    }
  }
  EXPECT_EQ(counts, (std::set<size_t>{1, 2, 3, 4}));
}

}  // namespace
}  // namespace millrace::hide_and_seek
