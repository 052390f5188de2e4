#include "control/restart_policy.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Clock::time_point kStart = Clock::time_point(seconds(1000));

TEST(RestartPolicy, DelayDoublesUpToTheLongest) {
  RestartPolicy policy(RestartOptions{});
  Clock::time_point now = kStart;
  for (const int expected : {200, 400, 800, 1600, 3200, 5000, 5000}) {
    const auto restart_at = policy.OnExit(now, now);
    ASSERT_TRUE(restart_at.has_value());
    EXPECT_EQ(*restart_at - now, milliseconds(expected));
    now = *restart_at;
  }
}

TEST(RestartPolicy, HealthyLifeStartsTheDelayOver) {
  RestartPolicy policy(RestartOptions{});
  policy.OnExit(kStart, kStart);
  policy.OnExit(kStart, kStart);
  const Clock::time_point later = kStart + seconds(10);
  EXPECT_EQ(policy.OnExit(kStart, later), later + milliseconds(200));
}

TEST(RestartPolicy, TooManyExitsWithinAMinuteIsACrashLoop) {
  RestartPolicy policy({.max_restarts_per_minute = 3});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(policy.OnExit(kStart, kStart + seconds(i)));
  EXPECT_FALSE(policy.OnExit(kStart, kStart + seconds(59)));
}

TEST(RestartPolicy, ExitsOlderThanAMinuteDoNotCount) {
  RestartPolicy policy({.max_restarts_per_minute = 3});
  for (int i = 0; i < 20; ++i) {
    // One exit every 21 s: 60 s hold at most three.
    EXPECT_TRUE(policy.OnExit(kStart, kStart + seconds(21 * i))) << i;
  }
}

}  // namespace
}  // namespace millrace
