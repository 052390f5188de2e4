#include "core/bounded_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace millrace {
namespace {

constexpr auto kLong = std::chrono::seconds(30);
const Deadline kPassed = Clock::now();

TEST(BoundedQueue, HandsItemsOverInOrder) {
  BoundedQueue<std::unique_ptr<int>> queue(2);
  ASSERT_TRUE(queue.Push(std::make_unique<int>(1), After(kLong)).ok());
  ASSERT_TRUE(queue.Push(std::make_unique<int>(2), After(kLong)).ok());
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_EQ(**queue.Pop(After(kLong)), 1);
  EXPECT_EQ(**queue.Pop(After(kLong)), 2);
}

TEST(BoundedQueue, FullAndEmptyRunIntoTheDeadline) {
  BoundedQueue<int> queue(1);
  EXPECT_EQ(queue.Pop(kPassed).status().code(), absl::StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(queue.Push(1, kPassed).ok());
  EXPECT_EQ(queue.Push(2, kPassed).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(*queue.Pop(kPassed), 1);
}

TEST(BoundedQueue, PopUnblocksPush) {
  BoundedQueue<int> queue(1);
  ASSERT_TRUE(queue.Push(1, After(kLong)).ok());
  std::jthread producer([&] { EXPECT_TRUE(queue.Push(2, After(kLong)).ok()); });
  EXPECT_EQ(*queue.Pop(After(kLong)), 1);
  EXPECT_EQ(*queue.Pop(After(kLong)), 2);
}

TEST(BoundedQueue, CloseUnblocksPop) {
  BoundedQueue<int> queue(1);
  std::jthread closer([&] { queue.Close(); });
  EXPECT_EQ(queue.Pop(After(kLong)).status().code(), absl::StatusCode::kCancelled);
}

TEST(BoundedQueue, CloseUnblocksPushAndLetsPopsDrain) {
  BoundedQueue<int> queue(1);
  ASSERT_TRUE(queue.Push(1, After(kLong)).ok());
  std::jthread closer([&] { queue.Close(); });
  EXPECT_EQ(queue.Push(2, After(kLong)).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(*queue.Pop(kPassed), 1);
  EXPECT_EQ(queue.Pop(kPassed).status().code(), absl::StatusCode::kCancelled);
}

TEST(BoundedQueue, LosesNothingBetweenManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kItems = 500;
  BoundedQueue<int> queue(3);
  std::atomic<int64_t> sum{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (int i = 1; i <= kItems; ++i) ASSERT_TRUE(queue.Push(i, After(kLong)).ok());
      });
      threads.emplace_back([&] {
        for (int i = 0; i < kItems; ++i) sum += *queue.Pop(After(kLong));
      });
    }
  }
  EXPECT_EQ(sum, int64_t{kThreads} * kItems * (kItems + 1) / 2);
  EXPECT_EQ(queue.size(), 0u);
}

}  // namespace
}  // namespace millrace
