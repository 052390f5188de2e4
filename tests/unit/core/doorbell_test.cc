#include "core/doorbell.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>
#include <vector>

namespace millrace {
namespace {

constexpr auto kLong = std::chrono::seconds(30);

// A doorbell in memory that a forked child shares.
class SharedDoorbells {
 public:
  SharedDoorbells()
      : bells_(static_cast<Doorbell*>(
            ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~SharedDoorbells() { ::munmap(bells_, 4096); }
  Doorbell& operator[](int i) { return bells_[i]; }

 private:
  Doorbell* bells_;
};

TEST(Doorbell, ARingBetweenLookAndSleepIsNotLost) {
  Doorbell bell;
  const uint32_t seen = bell.Value();
  bell.Ring();
  EXPECT_TRUE(bell.Wait(seen, After(kLong)));
}

TEST(Doorbell, WaitEndsAtTheDeadline) {
  Doorbell bell;
  EXPECT_FALSE(bell.Wait(bell.Value(), Clock::now()));
  EXPECT_FALSE(bell.Wait(bell.Value(), After(std::chrono::milliseconds(2))));
  EXPECT_FALSE(bell.Spin(bell.Value(), std::chrono::microseconds(100)));
}

TEST(Doorbell, WakesEverySleeper) {
  Doorbell bell;
  const uint32_t seen = bell.Value();
  std::vector<std::jthread> sleepers;
  for (int i = 0; i < 4; ++i) {
    sleepers.emplace_back([&] { EXPECT_TRUE(bell.Wait(seen, After(kLong))); });
  }
  bell.Ring();
}

TEST(Doorbell, PingPongBetweenThreadsLosesNoWakeUp) {
  Doorbell ping, pong;
  constexpr uint32_t kRounds = 2000;
  std::jthread other([&] {
    for (uint32_t round = 0; round < kRounds; ++round) {
      ASSERT_TRUE(ping.Wait(round, After(kLong)));
      pong.Ring();
    }
  });
  for (uint32_t round = 0; round < kRounds; ++round) {
    ping.Ring();
    ASSERT_TRUE(pong.Wait(round, After(kLong)));
  }
}

TEST(Doorbell, WorksBetweenProcessesAndSurvivesAKilledSleeper) {
  SharedDoorbells bells;
  const pid_t sleeper = ::fork();
  if (sleeper == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    bells[1].Ring();
    bells[0].Wait(0, After(std::chrono::hours(1)));
    ::_exit(0);
  }
  ASSERT_TRUE(bells[1].Wait(0, After(kLong)));
  ::kill(sleeper, SIGKILL);
  ASSERT_EQ(::waitpid(sleeper, nullptr, 0), sleeper);

  const pid_t answerer = ::fork();
  if (answerer == 0) {
    const bool rung = bells[0].Wait(0, After(kLong));
    bells[1].Ring();
    ::_exit(rung ? 0 : 1);
  }
  bells[0].Ring();
  EXPECT_TRUE(bells[1].Wait(1, After(kLong)));
  int status = -1;
  ASSERT_EQ(::waitpid(answerer, &status, 0), answerer);
  EXPECT_EQ(status, 0);
}

TEST(AdaptiveSpin, ReturnsAtOnceIfTheBellHasRungAndAtTheDeadlineIfNot) {
  Doorbell bell;
  AdaptiveSpin spin(std::chrono::microseconds(10));
  bell.Ring();
  EXPECT_TRUE(spin.Wait(bell, 0, After(kLong)));
  for (int wait = 0; wait < 20; ++wait) EXPECT_FALSE(spin.Wait(bell, 1, Clock::now()));
  bell.Ring();
  EXPECT_TRUE(spin.Wait(bell, 1, After(kLong)));
}

TEST(AdaptiveSpin, LosesNoRingWhileItSpinsOrSleeps) {
  Doorbell ping, pong;
  constexpr uint32_t kRounds = 2000;
  std::jthread other([&] {
    AdaptiveSpin spin(std::chrono::microseconds(5));
    for (uint32_t round = 0; round < kRounds; ++round) {
      ASSERT_TRUE(spin.Wait(ping, round, After(kLong)));
      pong.Ring();
    }
  });
  AdaptiveSpin spin(std::chrono::microseconds(5));
  for (uint32_t round = 0; round < kRounds; ++round) {
    ping.Ring();
    ASSERT_TRUE(spin.Wait(pong, round, After(kLong)));
  }
}

}  // namespace
}  // namespace millrace
