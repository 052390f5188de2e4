#include "workers/league/true_skill.h"

#include <gtest/gtest.h>

#include <cmath>

namespace millrace {
namespace {

// What the paper's own calculator and others print for two new players: 29.4 +- 7.17 and 20.6 +-
// 7.17 after a win, 25 +- 6.46 after a draw.
TEST(TrueSkill, MovesNewPlayersAsPublished) {
  const TrueSkill skill({.drift = 25.0 / 300});
  Rating winner, loser;
  skill.Update(Outcome::kWin, winner, loser);
  EXPECT_NEAR(winner.mean, 29.396, 1e-3);
  EXPECT_NEAR(loser.mean, 20.604, 1e-3);
  EXPECT_NEAR(winner.deviation, 7.171, 1e-3);
  EXPECT_NEAR(loser.deviation, 7.171, 1e-3);

  Rating first, second;
  skill.Update(Outcome::kDraw, first, second);
  EXPECT_NEAR(first.mean, 25, 1e-9);
  EXPECT_NEAR(second.mean, 25, 1e-9);
  EXPECT_NEAR(first.deviation, 6.458, 1e-3);
}

TEST(TrueSkill, ALossIsTheOtherOnesWin) {
  const TrueSkill skill({});
  Rating a{.mean = 30, .deviation = 2}, b{.mean = 20, .deviation = 5};
  Rating c = a, d = b;
  skill.Update(Outcome::kLoss, a, b);
  skill.Update(Outcome::kWin, d, c);
  EXPECT_EQ(a.mean, c.mean);
  EXPECT_EQ(b.mean, d.mean);
  EXPECT_LT(a.mean, 30);
  EXPECT_GT(b.mean, 20);
}

TEST(TrueSkill, SurprisesMoveMoreThanWhatWasExpected) {
  const TrueSkill skill({});
  Rating strong{.mean = 30, .deviation = 3}, weak{.mean = 20, .deviation = 3};
  Rating strong_again = strong, weak_again = weak;
  skill.Update(Outcome::kWin, strong, weak);
  skill.Update(Outcome::kWin, weak_again, strong_again);
  EXPECT_LT(strong.mean - 30, weak_again.mean - 20);
}

TEST(TrueSkill, StaysFiniteWhereAnOutcomeHadNoChance) {
  const TrueSkill skill({.draw_chance = 0});
  for (const Outcome outcome : {Outcome::kWin, Outcome::kDraw, Outcome::kLoss}) {
    Rating weak{.mean = -1e4, .deviation = 0.1}, strong{.mean = 1e4, .deviation = 0.1};
    skill.Update(outcome, weak, strong);
    EXPECT_TRUE(std::isfinite(weak.mean) && std::isfinite(strong.mean));
    EXPECT_GT(weak.deviation, 0);
    if (outcome != Outcome::kLoss) {
      EXPECT_GT(weak.mean, -1e4);
    }
  }
}

}  // namespace
}  // namespace millrace
