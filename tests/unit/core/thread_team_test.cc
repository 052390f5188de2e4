#include "core/thread_team.h"

#include <atomic>
#include <vector>

#include "gtest/gtest.h"

namespace millrace {
namespace {

TEST(ThreadTeam, DoesEveryPartOnce) {
  for (const int threads : {1, 2, 5}) {
    ThreadTeam team(threads);
    EXPECT_EQ(team.size(), threads);
    for (const int64_t parts : {0, 1, 3, 1000}) {
      std::vector<int> done(static_cast<size_t>(parts));
      team.Run(parts, [&](int64_t part, int thread) {
        EXPECT_LT(thread, threads);
        ++done[static_cast<size_t>(part)];
      });
      for (const int times : done) EXPECT_EQ(times, 1);
    }
  }
}

TEST(ThreadTeam, RunsOneRoundAfterTheOther) {
  ThreadTeam team(3);
  std::vector<int64_t> values(16);
  for (int round = 0; round < 200; ++round) {
    // Reads what other threads wrote in the round before.
    const std::vector<int64_t> before = values;
    team.Run(16, [&](int64_t part, int) {
      values[static_cast<size_t>(part)] = before[static_cast<size_t>((part + 1) % 16)] + 1;
    });
  }
  for (const int64_t value : values) EXPECT_EQ(value, 200);
}

TEST(ThreadTeam, SeveralThreadsWorkAtATime) {
  ThreadTeam team(2);
  std::atomic<int> arrived = 0;
  team.Run(2, [&](int64_t, int) {
    ++arrived;
    // Each part waits for the other: one thread alone would never return.
    while (arrived < 2) std::this_thread::yield();
  });
  EXPECT_EQ(arrived, 2);
}

}  // namespace
}  // namespace millrace
