#include "launcher/process_usage.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "core/deadline.h"

namespace millrace {
namespace {

TEST(ProcessUsage, OfThisProcessGrowsWithWork) {
  std::vector<char> memory(64 << 20, 1);
  const Clock::time_point start = Clock::now();
  while (ReadProcessUsage(::getpid()).cpu_seconds < 0.05 && SecondsSince(start) < 20) {
    memory[static_cast<size_t>(memory[0]) + 1] ^= 1;
  }
  const ProcessUsage usage = ReadProcessUsage(::getpid());
  EXPECT_GE(usage.cpu_seconds, 0.05);
  EXPECT_GE(usage.rss_bytes, memory.size());
}

TEST(ProcessUsage, OfNobodyIsZero) {
  constexpr pid_t kNobody = (1 << 22) + 1;  // above the largest process id there is
  const ProcessUsage usage = ReadProcessUsage(kNobody);
  EXPECT_EQ(usage.cpu_seconds, 0);
  EXPECT_EQ(usage.rss_bytes, 0u);
}

// The launcher waits for its workers, which are counted by themselves.
TEST(ProcessUsage, LeavesOutTheChildrenThatWereWaitedFor) {
  const double before = ReadProcessUsage(::getpid()).cpu_seconds;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    while (ReadProcessUsage(::getpid()).cpu_seconds < 0.1) {
    }
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_LT(ReadProcessUsage(::getpid()).cpu_seconds - before, 0.05);
}

TEST(UsageMeter, FinalCountReplacesTheSamplesOfADeadProcess) {
  UsageMeter meter;
  meter.Started("actor", ::getpid(), false);
  meter.Sample("actor", ::getpid());
  meter.Reaped("actor", ::getpid(), 2.5);
  meter.Started("actor", 1 << 30, true);
  meter.Reaped("actor", 1 << 30, 1.0);
  const RoleUsage usage = meter.Usage().at("actor");
  EXPECT_DOUBLE_EQ(usage.cpu_seconds, 3.5);
  EXPECT_EQ(usage.restarts, 1u);
  EXPECT_GT(usage.peak_rss_bytes, 0u);
  EXPECT_GT(usage.lifetime_seconds, 0);
}

}  // namespace
}  // namespace millrace
