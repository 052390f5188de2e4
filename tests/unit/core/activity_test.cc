#include "core/activity.h"

#include <gtest/gtest.h>

#include <set>
#include <string_view>
#include <thread>
#include <utility>

namespace millrace {
namespace {

uint64_t Of(const ActivityTotals& totals, Activity activity) {
  return totals[static_cast<size_t>(activity)];
}

void SpinFor(std::chrono::nanoseconds duration) {
  const Deadline end = After(duration);
  while (!Expired(end)) {
  }
}

TEST(Activity, TheTimesOfAThreadsActivitiesSumToItsLife) {
  ActivityTotals totals{};
  const Clock::time_point start = Clock::now();
  {
    ActivityTimer timer(Activity::kStartUp, start);
    SpinFor(std::chrono::microseconds(50));
    EnterActivity(Activity::kOther);  // counted before there is a place to publish to
    timer.PublishTo(&totals);
    {
      const ActivityScope environment(Activity::kEnvironment);
      SpinFor(std::chrono::microseconds(100));
      {
        const ActivityScope record(Activity::kRecord);
        SpinFor(std::chrono::microseconds(30));
      }
      SpinFor(std::chrono::microseconds(100));
    }
  }
  const uint64_t life = NanosecondsSince(start);
  uint64_t sum = 0;
  for (const auto& total : totals) sum += total;
  EXPECT_GE(Of(totals, Activity::kStartUp), 50'000u);
  EXPECT_GE(Of(totals, Activity::kEnvironment), 200'000u);
  EXPECT_GE(Of(totals, Activity::kRecord), 30'000u);
  EXPECT_LE(sum, life);
  EXPECT_GE(sum, 280'000u);
}

TEST(Activity, IsOfTheThreadThatHasATimer) {
  ActivityTotals totals{};
  EXPECT_EQ(ActivityTimer::Current(), nullptr);
  EnterActivity(Activity::kIdle);  // nothing to count with
  {
    ActivityTimer timer(Activity::kOther);
    timer.PublishTo(&totals);
    std::thread([] {
      EXPECT_EQ(ActivityTimer::Current(), nullptr);
      const ActivityScope scope(Activity::kEnvironment);
    }).join();
  }
  EXPECT_EQ(ActivityTimer::Current(), nullptr);
  EXPECT_EQ(Of(totals, Activity::kEnvironment), 0u);
}

TEST(Activity, EveryOneHasItsPlaceInTheTree) {
  std::set<std::pair<std::string_view, std::string_view>> places;
  for (int i = 0; i < kNumActivities; ++i) {
    const ActivityInfo& info = Describe(static_cast<Activity>(i));
    EXPECT_FALSE(info.path.empty());
    EXPECT_TRUE(places.insert({info.thread, info.path}).second) << info.path;
  }
}

}  // namespace
}  // namespace millrace
