#include "collectives/shm_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

#include "millrace/core/rng.h"

namespace millrace {
namespace {

using testing::HasSubstr;

// A file for a group of its own.
std::filesystem::path NewFile() {
  static std::atomic<int> count{0};
  return std::filesystem::path(testing::TempDir()) /
         ("shm_group." + std::to_string(::getpid()) + "." + std::to_string(count++));
}

ShmGroupOptions OptionsOf(const std::filesystem::path& file, int rank, int size) {
  return {.file = file, .rank = rank, .size = size, .timeout = std::chrono::seconds(20)};
}

// Runs `rank_main` for all ranks of a group, each in its thread. Rings are small, so that messages
// go round them many times.
template <typename RankMain>
void WithRanks(int size, RankMain rank_main, size_t ring_bytes = 192) {
  const auto file = NewFile();
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([=] {
      ShmGroupOptions options = OptionsOf(file, rank, size);
      options.ring_bytes = ring_bytes;
      auto group = ShmGroup::Join(options);
      ASSERT_TRUE(group.ok()) << group.status();
      rank_main(**group);
    });
  }
}

// What rank `from` sends to rank `to` in a round: any number of bytes, often none.
std::vector<std::byte> Message(int from, int to, uint64_t round) {
  Rng rng(round, static_cast<uint64_t>(from * 100 + to));
  const uint64_t bytes = rng.Below(3) == 0 ? 0 : rng.Below(5000);
  std::vector<std::byte> message(bytes);
  for (std::byte& byte : message) byte = static_cast<std::byte>(rng.Below(256));
  return message;
}

class ShmGroupOf : public testing::TestWithParam<int> {};

TEST_P(ShmGroupOf, AllToAllBringsEverybodyWhatIsForThem) {
  WithRanks(GetParam(), [](ShmGroup& group) {
    for (uint64_t round = 0; round < 50; ++round) {
      std::vector<std::vector<std::byte>> sent, received;
      for (int r = 0; r < group.size(); ++r) {
        sent.push_back(Message(group.rank(), r, round));
        received.emplace_back(Message(r, group.rank(), round).size());
      }
      const std::vector<ShmGroup::ConstBytes> to(sent.begin(), sent.end());
      const std::vector<ShmGroup::Bytes> from(received.begin(), received.end());
      ASSERT_TRUE(group.AllToAll(to, from).ok());
      for (int r = 0; r < group.size(); ++r) {
        ASSERT_EQ(received[static_cast<size_t>(r)], Message(r, group.rank(), round));
      }
    }
  });
}

TEST_P(ShmGroupOf, SumsAreInTheOrderOfRanks) {
  WithRanks(
      GetParam(),
      [](ShmGroup& group) {
        // Few and many: gathered, and added up in parts.
        for (const size_t count : {size_t{0}, size_t{1}, size_t{7}, size_t{1000}, size_t{40'003}}) {
          const auto number = [](int rank, size_t i) {
            Rng rng(i, static_cast<uint64_t>(rank));
            return static_cast<float>(rng.Normal() * std::exp(10 * rng.Normal()));
          };
          std::vector<float> numbers(count), expected(count);
          for (size_t i = 0; i < count; ++i) {
            numbers[i] = number(group.rank(), i);
            expected[i] = number(0, i);
            for (int r = 1; r < group.size(); ++r) expected[i] += number(r, i);
          }
          ASSERT_TRUE(group.AllReduceSum(std::span(numbers)).ok());
          ASSERT_EQ(numbers, expected);
        }
        std::vector<uint8_t> bytes = {1, 2};
        ASSERT_TRUE(group.AllReduceSum(std::span(bytes)).ok());
        EXPECT_EQ(bytes[1], 2 * group.size());
        std::vector<int64_t> whole = {group.rank(), 1};
        ASSERT_TRUE(group.AllReduceSum(std::span(whole)).ok());
        EXPECT_EQ(whole[0], group.size() * (group.size() - 1) / 2);
        EXPECT_EQ(whole[1], group.size());
      },
      4096);
}

TEST_P(ShmGroupOf, GathersBroadcastsAndMeets) {
  WithRanks(GetParam(), [](ShmGroup& group) {
    const std::vector<int32_t> own = {group.rank(), group.rank() * 10, 7};
    std::vector<int32_t> all(own.size() * static_cast<size_t>(group.size()));
    ASSERT_TRUE(
        group.AllGather(std::as_bytes(std::span(own)), std::as_writable_bytes(std::span(all)))
            .ok());
    for (int r = 0; r < group.size(); ++r) EXPECT_EQ(all[static_cast<size_t>(r) * 3 + 1], r * 10);
    for (int root = 0; root < group.size(); ++root) {
      std::vector<int32_t> told(300, group.rank());
      ASSERT_TRUE(group.Broadcast(std::as_writable_bytes(std::span(told)), root).ok());
      EXPECT_EQ(told, std::vector<int32_t>(300, root));
    }
    EXPECT_TRUE(group.Barrier().ok());
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, ShmGroupOf, testing::Values(1, 2, 3, 5));

TEST(ShmGroup, LeavesNoFileOnceAllAreThere) {
  const auto file = NewFile();
  std::jthread other([&] { EXPECT_TRUE(ShmGroup::Join(OptionsOf(file, 1, 2)).ok()); });
  const auto group = ShmGroup::Join(OptionsOf(file, 0, 2));
  ASSERT_TRUE(group.ok());
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST(ShmGroup, AMissingPeerIsAnErrorAfterTheTimeout) {
  ShmGroupOptions options = OptionsOf(NewFile(), 0, 2);
  options.timeout = std::chrono::milliseconds(50);
  const auto group = ShmGroup::Join(options);
  EXPECT_EQ(group.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(group.status().message(), HasSubstr("only 1 ranks came"));
  std::filesystem::remove(options.file);
}

TEST(ShmGroup, WhatWasSentBeforeAPeerLeftArrivesThenTheGroupIsFinished) {
  WithRanks(2, [](ShmGroup& group) {
    std::vector<float> numbers(30, 1);
    ASSERT_TRUE(group.AllReduceSum(std::span(numbers)).ok());
    EXPECT_EQ(numbers[29], 2);
    if (group.rank() == 1) return;  // leaves
    const absl::Status status = group.Barrier();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(status.message(), HasSubstr("rank 1 has left"));
    EXPECT_EQ(group.Barrier(), status);
  });
}

TEST(ShmGroup, APeerThatIsSilentIsLostForAll) {
  const auto file = NewFile();
  std::atomic<bool> over{false};
  const auto rank_main = [&](int rank) {
    ShmGroupOptions options = OptionsOf(file, rank, 3);
    if (rank == 0) options.timeout = std::chrono::milliseconds(100);
    auto group = ShmGroup::Join(options);
    // Rank 0 may give up while the others start.
    if (!group.ok()) return over.store(true);
    if (rank == 2) {
      while (!over) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return;
    }
    EXPECT_EQ((*group)->Barrier().code(), absl::StatusCode::kUnavailable);
    over = true;
  };
  std::jthread one(rank_main, 1), two(rank_main, 2);
  rank_main(0);
}

TEST(ShmGroup, OtherCallsThanThePeersAreNoticed) {
  WithRanks(2, [](ShmGroup& group) {
    std::vector<std::byte> own(static_cast<size_t>(group.rank() + 1)), all(2 * own.size());
    const absl::Status status = group.AllGather(own, all);
    // The other one finds it by itself, or hears that the group is finished.
    EXPECT_TRUE(absl::IsInternal(status) || absl::IsUnavailable(status)) << status;
  });
}

TEST(ShmGroup, APeerThatIsKilledIsNoticedAtOnce) {
  const auto file = NewFile();
  const pid_t child = ::fork();
  if (child == 0) {
    auto group = ShmGroup::Join(OptionsOf(file, 1, 2));
    std::vector<std::byte> bytes(8);
    // As if it were killed: no destructor runs.
    if (group.ok()) (*group)->Broadcast(bytes, 0).IgnoreError();
    ::_exit(0);
  }
  auto group = ShmGroup::Join(OptionsOf(file, 0, 2));
  ASSERT_TRUE(group.ok()) << group.status();
  std::vector<std::byte> bytes(8);
  EXPECT_TRUE((*group)->Broadcast(bytes, 0).ok());
  const absl::Status status = (*group)->Barrier();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("rank 1 has died"));
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
}

}  // namespace
}  // namespace millrace
