// A group of two ranks in one process, over Gloo or shared memory.
#pragma once

#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "backends/c10d_store_adapter.h"
#include "backends/gloo_collectives.h"
#include "backends/shm_collectives.h"
#include "gtest/gtest.h"

namespace millrace {

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

enum class Meeting { kGloo, kShm };

// Runs `rank_main` for both ranks of a group, each in its thread.
template <typename RankMain>
void WithTwoRanks(RankMain rank_main, Meeting meeting = Meeting::kGloo) {
  KeyValues values;
  constexpr auto kTimeout = std::chrono::seconds(20);
  const auto file =
      std::filesystem::path(testing::TempDir()) / ("two_ranks." + std::to_string(::getpid()));
  const auto run = [&](int rank) {
    auto store = c10::make_intrusive<C10dStoreAdapter>(values.Callbacks(), kTimeout);
    auto group =
        meeting == Meeting::kGloo
            ? MakeGlooCollectives(store, rank, 2, kTimeout)
            : MakeShmCollectives({.file = file, .rank = rank, .size = 2, .timeout = kTimeout});
    ASSERT_TRUE(group.ok()) << group.status();
    rank_main(*std::move(group));
  };
  std::jthread other(run, 1);
  run(0);
}

}  // namespace millrace
