#include "workers/league/opponents.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace millrace {
namespace {

constexpr int kEnvironments = 200;

LeagueConfig Config(double share) {
  return {.every_versions = 10, .opponents = 4, .share = share, .teams = {"a", "b"}};
}

// Two agents of team 0, one of team 1, one of none.
Opponents Make(double share, uint64_t seed = 3) {
  return Opponents(Config(share), {0, 0, 1, -1}, kEnvironments, seed, 0);
}

std::vector<uint8_t> Begins() { return std::vector<uint8_t>(4 * kEnvironments, 1); }

TEST(LeagueSlots, TheNewestPeriodsPlay) {
  const LeagueSlots slots(Config(1));
  EXPECT_EQ(slots.Period(9), 0u);
  EXPECT_EQ(slots.Period(10), 1u);
  EXPECT_EQ(slots.OldestPeriod(25), 0u);
  EXPECT_EQ(slots.OldestPeriod(39), 0u);
  EXPECT_EQ(slots.OldestPeriod(40), 1u);
  EXPECT_EQ(slots.Slot(0), 1);
  EXPECT_EQ(slots.Slot(3), 4);
  EXPECT_EQ(slots.Slot(4), 1);  // in the place of the first
}

TEST(Opponents, OneWholeTeamOfAnEpisodeIsPlayedByOneVersion) {
  Opponents opponents = Make(1);
  opponents.Draw(Begins(), 100, 0);
  std::map<int, int> teams, versions;
  for (int e = 0; e < kEnvironments; ++e) {
    const auto slots = opponents.slots().subspan(static_cast<size_t>(4 * e), 4);
    EXPECT_EQ(slots[0], slots[1]);
    EXPECT_EQ(slots[0] == 0, slots[2] != 0);
    EXPECT_EQ(slots[3], 0);
    ++teams[slots[0] != 0 ? 0 : 1];
    ++versions[std::max(slots[0], slots[2])];
  }
  EXPECT_GT(teams[0], kEnvironments / 4);
  EXPECT_GT(teams[1], kEnvironments / 4);
  EXPECT_EQ(versions.size(), 4u);
  EXPECT_EQ(versions.begin()->first, 1);
}

TEST(Opponents, OnlyVersionsThatWereKeptPlay) {
  Opponents opponents = Make(1);
  opponents.Draw(Begins(), 15, 0);  // periods 0 and 1
  EXPECT_EQ(*std::ranges::max_element(opponents.slots()), 2);
}

TEST(Opponents, AboutTheShareOfTheEpisodes) {
  Opponents opponents = Make(0.25);
  opponents.Draw(Begins(), 100, 0);
  int games = 0;
  for (int e = 0; e < kEnvironments; ++e) {
    const auto slots = opponents.slots().subspan(static_cast<size_t>(4 * e), 4);
    games += std::ranges::any_of(slots, [](uint8_t slot) { return slot != 0; }) ? 1 : 0;
  }
  EXPECT_NEAR(games, kEnvironments / 4, 25);
  Opponents none = Make(0);
  none.Draw(Begins(), 100, 0);
  EXPECT_EQ(*std::ranges::max_element(none.slots()), 0);
}

TEST(Opponents, AnEpisodeThatGoesOnKeepsItsOpponents) {
  Opponents opponents = Make(0.5);
  opponents.Draw(Begins(), 100, 0);
  const std::vector<uint8_t> before(opponents.slots().begin(), opponents.slots().end());
  std::vector<uint8_t> first(4 * kEnvironments);
  opponents.Draw(first, 200, 1);
  EXPECT_TRUE(std::ranges::equal(opponents.slots(), before));
  first[1] = 1;  // environment 0 begins
  for (uint64_t step = 2; step < 20; ++step) opponents.Draw(first, 200, step);
  EXPECT_TRUE(std::ranges::equal(opponents.slots().subspan(4), std::span(before).subspan(4)));
}

TEST(Opponents, DrawsAreAFunctionOfSeedSlotAndStep) {
  Opponents a = Make(0.5), b = Make(0.5), other = Make(0.5, 4);
  for (Opponents* opponents : {&a, &b, &other}) opponents->Draw(Begins(), 100, 7);
  EXPECT_TRUE(std::ranges::equal(a.slots(), b.slots()));
  EXPECT_FALSE(std::ranges::equal(a.slots(), other.slots()));
  b.Draw(Begins(), 100, 8);
  EXPECT_FALSE(std::ranges::equal(a.slots(), b.slots()));
}

TEST(Opponents, CountsWhatTheNewestVersionWins) {
  Opponents opponents = Make(1);
  opponents.Draw(Begins(), 100, 0);
  std::vector<uint8_t> first(4 * kEnvironments);
  for (size_t e = 0; e < 3; ++e) {
    const bool past_is_team_0 = opponents.slots()[4 * e] != 0;
    // Team 0 returns 1 in the mean; the newest version's side, with or without agent 3, is given 2,
    // 1 and 0.
    const float newest = 2.0F - static_cast<float>(e);
    for (size_t agent = 0; agent < 4; ++agent) {
      const bool past = opponents.slots()[4 * e + agent] != 0;
      opponents.Ended(4 * e + agent, past ? 1.0F : newest);
    }
    EXPECT_EQ(past_is_team_0, opponents.slots()[4 * e + 1] != 0);
    std::fill_n(first.begin() + static_cast<int64_t>(4 * e), 4, uint8_t{1});
  }
  opponents.Draw(first, 100, 1);
  const Opponents::Score score = opponents.TakeScore();
  EXPECT_EQ(score.episodes, 3u);
  EXPECT_EQ(score.won, 1.5);
  EXPECT_EQ(opponents.TakeScore().episodes, 0u);
}

}  // namespace
}  // namespace millrace
