// A folder with the ledgers of a made-up run.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "data/ledger.h"

namespace millrace {

class LedgerFolder : public ::testing::Test {
 protected:
  LedgerFolder()
      : folder_(std::filesystem::path(::testing::TempDir()) /
                (std::string(
                     ::testing::UnitTest::GetInstance()->current_test_info()->test_suite_name()) +
                 "." + ::testing::UnitTest::GetInstance()->current_test_info()->name() + "." +
                 std::to_string(::getpid()))) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~LedgerFolder() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Ledger> Make(const std::string& role, uint32_t index, uint32_t incarnation,
                               const std::string& policy = "", uint32_t rank = 0,
                               const ConsumerState* initial = nullptr) {
    LedgerIdentity identity;
    identity.role = role;
    identity.index = index;
    identity.incarnation = incarnation;
    identity.policy = policy;
    identity.rank = rank;
    identity.process = ThisProcess();
    auto ledger = Ledger::Create(folder_, identity, initial);
    EXPECT_TRUE(ledger.ok()) << ledger.status();
    return *std::move(ledger);
  }
  static void Commit(Ledger& ledger, int lane, int segments) {
    for (int i = 0; i < segments; ++i) ledger.Commit(lane);
  }
  static void RecordEpisode(Ledger& ledger, int64_t finished_ns, float episode_return,
                            uint64_t env_steps, uint32_t policy = 0) {
    EpisodeRecord episode;
    episode.finished_ns = finished_ns;
    episode.episode_return = episode_return;
    episode.env_steps = env_steps;
    episode.policy = policy;
    episode.length = 10;
    ledger.RecordEpisode(episode);
    ledger.Add(Counter::kEpisodes, 1);
  }

  const std::filesystem::path folder_;
};

}  // namespace millrace
