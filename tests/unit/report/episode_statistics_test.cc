#include "report/episode_statistics.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

FinishedEpisode Episode(uint64_t source, int64_t finished_ns, float episode_return,
                        uint64_t env_steps, uint32_t policy = 0) {
  FinishedEpisode episode;
  episode.source = source;
  episode.record.finished_ns = finished_ns;
  episode.record.episode_return = episode_return;
  episode.record.env_steps = env_steps;
  episode.record.length = 20;
  episode.record.policy = policy;
  return episode;
}

TEST(EpisodeStatistics, MeansAreOfTheLastHundred) {
  EpisodeStatistics statistics;
  EXPECT_EQ(statistics.means(), std::nullopt);
  std::vector<FinishedEpisode> episodes;
  for (int i = 0; i < 150; ++i) episodes.push_back(Episode(0, i, static_cast<float>(i), 0));
  statistics.Add(episodes);
  // 50 to 149.
  EXPECT_DOUBLE_EQ(statistics.means()->episode_return, 99.5);
  EXPECT_DOUBLE_EQ(statistics.means()->length, 20);
}

TEST(EpisodeStatistics, KeepsPoliciesApart) {
  EpisodeStatistics statistics;
  statistics.Add({Episode(0, 1, 10, 0, 0), Episode(0, 2, 30, 0, 1)});
  EXPECT_DOUBLE_EQ(statistics.means()->episode_return, 20);
  EXPECT_DOUBLE_EQ(statistics.means(0)->episode_return, 10);
  EXPECT_DOUBLE_EQ(statistics.means(1)->episode_return, 30);
  EXPECT_EQ(statistics.means(2), std::nullopt);
}

TEST(EpisodeStatistics, GoalNeedsAHundredEpisodes) {
  EpisodeStatistics statistics(100);
  std::vector<FinishedEpisode> episodes;
  for (int i = 0; i < 99; ++i) episodes.push_back(Episode(0, i, 500, static_cast<uint64_t>(i)));
  statistics.Add(episodes);
  EXPECT_FALSE(statistics.goal_reached());
  statistics.Add({Episode(0, 99, 500, 1234)});
  ASSERT_TRUE(statistics.goal_reached());
  EXPECT_EQ(statistics.goal_reached()->env_steps, 1234u);
  EXPECT_EQ(statistics.goal_reached()->finished_ns, 99);
}

// Two actors; the second finished one episode, at 5, when it had made 4000 steps.
TEST(EpisodeStatistics, GoalStepsAreOfTheMomentInTheMergedOrder) {
  EpisodeStatistics statistics(1);
  std::vector<FinishedEpisode> episodes;
  for (int i = 0; i < 100; ++i) {
    episodes.push_back(Episode(0, 10 * i, i == 0 ? 0.0f : 1.0f, static_cast<uint64_t>(100 * i)));
  }
  // The goal needs a hundred ones: the zero of episode 0 leaves the window with the 101st.
  episodes.push_back(Episode(1, 5, 1, 4000));
  episodes.push_back(Episode(0, 2000, 1, 999999));
  statistics.Add(episodes);
  ASSERT_TRUE(statistics.goal_reached());
  // Order: 0 (zero), 5 (source 1), 10, ..., 990: the 101st is the one at 990.
  EXPECT_EQ(statistics.goal_reached()->finished_ns, 990);
  EXPECT_EQ(statistics.goal_reached()->env_steps, 9900u + 4000u);
}

TEST(EpisodeStatistics, TheFirstTimeStays) {
  EpisodeStatistics statistics(1);
  std::vector<FinishedEpisode> episodes;
  for (int i = 0; i < 300; ++i)
    episodes.push_back(Episode(0, i, i < 150 ? 2 : 0, static_cast<uint64_t>(i)));
  statistics.Add(episodes);
  EXPECT_EQ(statistics.goal_reached()->env_steps, 99u);
  EXPECT_DOUBLE_EQ(statistics.means()->episode_return, 0);
}

}  // namespace
}  // namespace millrace
