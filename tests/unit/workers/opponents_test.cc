#include "workers/league/opponents.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "workers/league/league_score.h"

namespace millrace {
namespace {

constexpr int kEnvironments = 200;

LeagueConfig Config(double share) {
  return {.every_versions = 10, .opponents = 4, .share = share, .teams = {"a", "b"}};
}

// Two agents of team 0, one of team 1, one of none.
Opponents Make(double share, uint64_t seed = 3, uint32_t policy = 0) {
  return Opponents(Config(share), {0, 0, 1, -1}, kEnvironments, seed, policy, 0);
}

// Where episodes begin: everywhere, or in the environments of which `first` has a row.
EpisodeBegins Begins(const std::vector<uint8_t>& first = std::vector<uint8_t>(4 * kEnvironments,
                                                                              1)) {
  EpisodeBegins begins(kEnvironments);
  begins.Add(first, first);
  return begins;
}

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
  opponents.Draw(Begins(first), 200, 1);
  EXPECT_TRUE(std::ranges::equal(opponents.slots(), before));
  first[1] = 1;  // environment 0 begins
  for (uint64_t step = 2; step < 20; ++step) opponents.Draw(Begins(first), 200, step);
  EXPECT_TRUE(std::ranges::equal(opponents.slots().subspan(4), std::span(before).subspan(4)));
}

TEST(Opponents, DrawsAreAFunctionOfSeedPolicySlotAndStep) {
  Opponents a = Make(0.5), b = Make(0.5), other_seed = Make(0.5, 4), other_policy = Make(0.5, 3, 1);
  for (Opponents* opponents : {&a, &b, &other_seed, &other_policy}) {
    opponents->Draw(Begins(), 100, 7);
  }
  EXPECT_TRUE(std::ranges::equal(a.slots(), b.slots()));
  EXPECT_FALSE(std::ranges::equal(a.slots(), other_seed.slots()));
  EXPECT_FALSE(std::ranges::equal(a.slots(), other_policy.slots()));
  b.Draw(Begins(), 100, 8);
  EXPECT_FALSE(std::ranges::equal(a.slots(), b.slots()));
}

TEST(EpisodeBegins, AreWhereEverybodyWhoTakesPartBegins) {
  EpisodeBegins begins(5);
  const std::vector<uint8_t> present = {1, 1, 1, 0, 1, 1, 0, 0, 1, 1};
  const std::vector<uint8_t> first = {1, 1, 1, 0, 1, 0, 0, 0, 1, 1};
  begins.Add(first, present);
  const std::vector<uint8_t> others_present = {1, 1, 1, 0, 1}, others_first = {1, 0, 1, 0, 0};
  EXPECT_TRUE(begins[1]);
  begins.Add(others_first, others_present);  // another policy, with one agent
  EXPECT_TRUE(begins[0]);
  EXPECT_FALSE(begins[1]) << "an agent came back in the middle";
  EXPECT_FALSE(begins[2]);
  EXPECT_FALSE(begins[3]) << "nobody is there";
  EXPECT_FALSE(begins[4]);
  begins.Clear();
  EXPECT_FALSE(begins[0]);
}

TEST(LeagueScore, CountsWhatTheNewestVersionsWin) {
  LeagueScore score(4);
  for (size_t environment = 0; environment < 3; ++environment) {  // won, drawn, lost
    score.Add(environment, /*past=*/true, 1);
    score.Add(environment, /*past=*/false, 3 - static_cast<float>(environment));
    score.Add(environment, /*past=*/false, 1 - static_cast<float>(environment));
  }
  score.Add(3, /*past=*/false, 7);  // nobody was there to win against
  EXPECT_EQ(score.Take().episodes, 0u);
  for (size_t environment = 0; environment < 4; ++environment) score.Finish(environment);
  const LeagueScore::Total total = score.Take();
  EXPECT_EQ(total.episodes, 3u);
  EXPECT_EQ(total.won, 1.5);
  score.Finish(0);
  EXPECT_EQ(score.Take().episodes, 0u);
}

}  // namespace
}  // namespace millrace
