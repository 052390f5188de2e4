#include "backends/gloo_collectives.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "backends/c10d_store_adapter.h"
#include "backends/single_rank_collectives.h"
#include "gtest/gtest.h"

namespace millrace {
namespace {

// What the controller's key-value store does, in this process.
class KeyValues {
 public:
  StoreCallbacks Callbacks() {
    return {
        .set = [this](const auto& key, const auto& value) { return Set(key, value); },
        .get = [this](const auto& key, auto timeout) { return Get(key, timeout); },
        .add = [this](const auto& key, int64_t delta) { return Add(key, delta); },
        .contains = [this](const auto& key) -> absl::StatusOr<bool> { return Contains(key); },
        .remove = [this](const auto& key) -> absl::StatusOr<bool> { return Remove(key); },
        .compare_set = [this](const auto& key, const auto& expected,
                              const auto& desired) { return CompareSet(key, expected, desired); }};
  }

 private:
  absl::Status Set(const std::string& key, const std::string& value) {
    const std::lock_guard lock(mutex_);
    values_[key] = value;
    changed_.notify_all();
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> Get(const std::string& key, std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, timeout, [&] { return values_.contains(key); })) {
      return absl::DeadlineExceededError("not there");
    }
    return values_[key];
  }
  absl::StatusOr<int64_t> Add(const std::string& key, int64_t delta) {
    const std::lock_guard lock(mutex_);
    std::string& value = values_[key];
    const int64_t sum = (value.empty() ? 0 : std::stoll(value)) + delta;
    value = std::to_string(sum);
    changed_.notify_all();
    return sum;
  }
  bool Contains(const std::string& key) {
    const std::lock_guard lock(mutex_);
    return values_.contains(key);
  }
  bool Remove(const std::string& key) {
    const std::lock_guard lock(mutex_);
    return values_.erase(key) > 0;
  }
  absl::StatusOr<std::string> CompareSet(const std::string& key, const std::string& expected,
                                         const std::string& desired) {
    const std::lock_guard lock(mutex_);
    std::string& value = values_[key];
    if (value == expected) value = desired;
    changed_.notify_all();
    return value;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> values_;
};

// Runs `rank_main` for both ranks of a group, each in its thread.
template <typename RankMain>
void WithTwoRanks(RankMain rank_main) {
  KeyValues values;
  const auto run = [&](int rank) {
    auto store =
        c10::make_intrusive<C10dStoreAdapter>(values.Callbacks(), std::chrono::seconds(20));
    auto group = MakeGlooCollectives(store, rank, 2, std::chrono::seconds(20));
    ASSERT_TRUE(group.ok()) << group.status();
    rank_main(*std::move(group));
  };
  std::jthread other(run, 1);
  run(0);
}

TEST(GlooCollectives, ReduceAndBroadcastOverAStoreAdapter) {
  WithTwoRanks([](std::unique_ptr<Collectives> group) {
    const auto rank = static_cast<float>(group->rank());
    EXPECT_EQ(group->size(), 2);
    // Both ways of summing: gathered (small) and reduced by Gloo (over 1 MiB in sum).
    for (int64_t size : {int64_t{5}, int64_t{300000}}) {
      auto mean = torch::full({size}, 1.0F + 2.0F * rank);  // 1 and 3
      ASSERT_TRUE(group->AllReduceMean(mean).ok());
      EXPECT_TRUE((mean == 2.0F).all().item<bool>());
    }
    auto sum = torch::tensor({int64_t{1}, int64_t{2}});
    ASSERT_TRUE(group->AllReduceSum(sum).ok());
    EXPECT_TRUE(sum.equal(torch::tensor({int64_t{2}, int64_t{4}})));
    auto from_one = torch::full({3}, rank);
    ASSERT_TRUE(group->Broadcast(from_one, 1).ok());
    EXPECT_TRUE((from_one == 1.0F).all().item<bool>());
    EXPECT_TRUE(group->Barrier().ok());
  });
}

TEST(GlooCollectives, NotANumberReachesEveryRank) {
  WithTwoRanks([](std::unique_ptr<Collectives> group) {
    auto flat = torch::full({4}, group->rank() == 0 ? std::nanf("") : 1.0F);
    ASSERT_TRUE(group->AllReduceMean(flat).ok());
    EXPECT_TRUE(flat.isnan().all().item<bool>());
  });
}

TEST(GlooCollectives, ALostPeerFinishesTheGroup) {
  WithTwoRanks([](std::unique_ptr<Collectives> group) {
    if (group->rank() == 1) return;  // leaves
    auto flat = torch::ones({4});
    // The peer may leave during the first operation; its loss is seen by the next at the latest.
    absl::Status status;
    for (int i = 0; i < 2 && status.ok(); ++i) status = group->AllReduceSum(flat);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_EQ(group->Barrier().code(), absl::StatusCode::kUnavailable);
  });
}

TEST(GlooCollectives, AMissingPeerIsAnErrorAfterTheTimeout) {
  KeyValues values;
  auto store =
      c10::make_intrusive<C10dStoreAdapter>(values.Callbacks(), std::chrono::milliseconds(100));
  const auto group = MakeGlooCollectives(store, 0, 2, std::chrono::milliseconds(100));
  EXPECT_EQ(group.status().code(), absl::StatusCode::kUnavailable);
}

TEST(SingleRankCollectives, AreTheIdentity) {
  const auto group = MakeSingleRankCollectives();
  auto flat = torch::arange(3);
  ASSERT_TRUE(group->AllReduceMean(flat).ok());
  EXPECT_TRUE(flat.equal(torch::arange(3)));
}

}  // namespace
}  // namespace millrace
