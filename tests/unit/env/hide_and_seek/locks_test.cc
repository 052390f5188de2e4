#include "env/hide_and_seek/locks.h"

#include <gtest/gtest.h>

namespace millrace::hide_and_seek {
namespace {

// Two hiders, two seekers, one thing.
constexpr int kAgents = 4;
const std::vector<uint8_t> kTeams = {0, 0, 1, 1};

struct Case {
  const char* name;
  bool locked;
  int owner;
  std::vector<int> near;     // agents that reach the thing
  std::vector<int> wishing;  // agents that wish for locks
  bool expected;
};

std::vector<uint8_t> Marks(const std::vector<int>& agents) {
  std::vector<uint8_t> marks(kAgents);
  for (const int agent : agents) marks[static_cast<size_t>(agent)] = 1;
  return marks;
}

class TeamLocks : public testing::TestWithParam<Case> {};

TEST_P(TeamLocks, FollowTheTruthTable) {
  const Case& c = GetParam();
  Locks locks(Settings::Lock::kAllLockTeamSpecific, kAgents, 1);
  locks.Set(0, c.locked, c.owner);
  Rng rng(1, 0);
  const auto changes = locks.Update(Marks(c.near), Marks(c.wishing), kTeams, rng);
  EXPECT_EQ(locks.locked(0), c.expected);
  EXPECT_EQ(changes.size(), c.locked == c.expected ? 0 : 1);
}

INSTANTIATE_TEST_SUITE_P(
    Of, TeamLocks,
    testing::Values(Case{"NobodyNear", false, 0, {}, {0, 1, 2, 3}, false},
                    Case{"AHiderWishes", false, 0, {0}, {0}, true},
                    Case{"AWishFromAfarCountsNot", false, 0, {1}, {0}, false},
                    Case{"AnIdleHiderVetoesAHidersLock", false, 0, {0, 1}, {0}, false},
                    // Agent 0 owns what nobody locked yet.
                    Case{"AnIdleHiderVetoesASeekersLock", false, 0, {1, 2}, {2}, false},
                    Case{"AnIdleSeekerDoesNot", false, 0, {0, 2}, {0}, true},
                    Case{"ASeekerLocksAlone", false, 0, {2}, {2}, true},
                    Case{"StaysLockedWithNobodyNear", true, 0, {}, {}, true},
                    Case{"StaysLockedWhileTheTeamWishes", true, 0, {0, 1}, {0, 1}, true},
                    Case{"UnlockedByAnIdleTeamMate", true, 0, {1}, {}, false},
                    Case{"TheOtherTeamCannotUnlock", true, 0, {2, 3}, {}, true},
                    Case{"TheOtherTeamCannotTakeOver", true, 0, {2}, {2}, true},
                    Case{"UnlockedThoughASeekerWishes", true, 0, {1, 2}, {2}, false},
                    Case{"OfSeekersUnlockedByASeeker", true, 2, {3}, {}, false},
                    Case{"OfSeekersNotByAHider", true, 2, {0}, {}, true}),
    [](const auto& test) { return test.param.name; });

bool After(Settings::Lock rule, bool locked, int owner, const std::vector<int>& near,
           const std::vector<int>& wishing) {
  Locks locks(rule, kAgents, 1);
  locks.Set(0, locked, owner);
  Rng rng(1, 0);
  locks.Update(Marks(near), Marks(wishing), kTeams, rng);
  return locks.locked(0);
}

TEST(Locks, HaveThreeOtherRules) {
  using Lock = Settings::Lock;
  // Any wish locks; unlocked where only those who do not wish are near.
  EXPECT_TRUE(After(Lock::kAnyLock, false, 0, {0, 1}, {0}));
  EXPECT_TRUE(After(Lock::kAnyLock, true, 0, {0, 1}, {0}));
  EXPECT_FALSE(After(Lock::kAnyLock, true, 0, {2}, {}));
  // Anybody near who does not wish unlocks.
  EXPECT_FALSE(After(Lock::kAllLock, false, 0, {0, 2}, {0}));
  EXPECT_FALSE(After(Lock::kAllLock, true, 0, {2}, {}));
  EXPECT_TRUE(After(Lock::kAllLock, false, 0, {0, 2}, {0, 2}));
  // Only the owner unlocks.
  EXPECT_TRUE(After(Lock::kAnyLockSpecific, true, 0, {1}, {}));
  EXPECT_FALSE(After(Lock::kAnyLockSpecific, true, 1, {1}, {}));
}

TEST(Locks, OfTheirLockerAloneAreTakenOverWhileItIsIdle) {
  Locks locks(Settings::Lock::kAnyLockSpecific, kAgents, 1);
  locks.Set(0, true, 0);
  Rng rng(1, 0);
  EXPECT_TRUE(locks.Update(Marks({0, 2}), Marks({2}), kTeams, rng).empty());
  EXPECT_TRUE(locks.locked(0));
  EXPECT_EQ(locks.owner(0), 2);
}

TEST(Locks, OwnersAreDrawnAmongThoseWhoWishAndStay) {
  std::array<int, kAgents> owned{};
  Rng rng(7, 0);
  for (int i = 0; i < 3000; ++i) {
    Locks locks(Settings::Lock::kAllLockTeamSpecific, kAgents, 1);
    locks.Update(Marks({0, 1, 2}), Marks({0, 1, 2, 3}), kTeams, rng);
    ++owned[static_cast<size_t>(locks.owner(0))];
    const int owner = locks.owner(0);
    locks.Update(Marks({owner}), Marks({}), kTeams, rng);
    EXPECT_FALSE(locks.locked(0));
    EXPECT_EQ(locks.owner(0), owner);
  }
  for (const int agent : {0, 1, 2}) EXPECT_NEAR(owned[static_cast<size_t>(agent)], 1000, 120);
  EXPECT_EQ(owned[3], 0);
}

TEST(Locks, CountEveryThingForItself) {
  Locks locks(Settings::Lock::kAllLockTeamSpecific, 2, 3);
  Rng rng(1, 0);
  const std::vector<uint8_t> reaches = {1, 0, 1, 0, 1, 1}, wishes = {1, 0}, teams = {0, 1};
  const auto changes = locks.Update(reaches, wishes, teams, rng);
  ASSERT_EQ(changes.size(), 2);
  EXPECT_EQ(changes[0].thing, 0);
  EXPECT_EQ(changes[1].thing, 2);
  EXPECT_FALSE(locks.locked(1));
}

}  // namespace
}  // namespace millrace::hide_and_seek
