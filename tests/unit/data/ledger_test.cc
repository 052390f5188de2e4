#include "data/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <memory>

#include "core/deadline.h"
#include "millrace/core/rng.h"

namespace millrace {
namespace {

class LedgerTest : public ::testing::Test {
 protected:
  LedgerTest()
      : folder_(std::filesystem::path(::testing::TempDir()) /
                (std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()) +
                 "." + std::to_string(::getpid()))) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~LedgerTest() override { std::filesystem::remove_all(folder_); }

  LedgerIdentity Identity(const std::string& role, uint32_t index, uint32_t incarnation = 1) {
    LedgerIdentity identity;
    identity.role = role;
    identity.index = index;
    identity.incarnation = incarnation;
    identity.process = ThisProcess();
    return identity;
  }
  std::unique_ptr<Ledger> Make(const LedgerIdentity& identity) {
    auto ledger = Ledger::Create(folder_, identity);
    EXPECT_TRUE(ledger.ok()) << ledger.status();
    return *std::move(ledger);
  }
  std::filesystem::path PathOf(const std::string& role, uint32_t index, uint32_t incarnation = 1) {
    return folder_ / LedgerFileName(role, index, incarnation);
  }

  const std::filesystem::path folder_;
};

TEST_F(LedgerTest, ReadersSeeCountersLanesAndIdentity) {
  LedgerIdentity identity = Identity("trainer", 3, 2);
  identity.policy = "left";
  identity.rank = 1;
  auto ledger = Make(identity);
  ledger->Add(Counter::kEnvSteps, 5);
  ledger->Add(Counter::kEnvSteps, 6);
  ledger->SetMax(Counter::kLagMax, 4);
  ledger->SetMax(Counter::kLagMax, 2);
  const int lane = *ledger->AddLane("left", 1, 64, 128);
  EXPECT_EQ(ledger->Commit(lane), 1u);
  EXPECT_EQ(ledger->Commit(lane), 2u);
  EXPECT_EQ(ledger->committed(lane), 2u);

  const auto seen = Ledger::Read(PathOf("trainer", 3, 2));
  ASSERT_TRUE(seen.ok()) << seen.status();
  EXPECT_EQ(seen->identity.role, "trainer");
  EXPECT_EQ(seen->identity.policy, "left");
  EXPECT_EQ(seen->identity.rank, 1u);
  EXPECT_EQ(seen->identity.incarnation, 2u);
  EXPECT_EQ(seen->identity.process, ThisProcess());
  EXPECT_EQ(seen->counter(Counter::kEnvSteps), 11u);
  EXPECT_EQ(seen->counter(Counter::kLagMax), 4u);
  ASSERT_EQ(seen->lanes.size(), 1u);
  EXPECT_EQ(seen->lanes[0].stream, "left");
  EXPECT_EQ(seen->lanes[0].committed, 2u);
  EXPECT_EQ(seen->lanes[0].env_steps_each, 64u);
}

TEST_F(LedgerTest, OnlyTrainersHaveAConsumerPart) {
  Make(Identity("actor", 0));
  EXPECT_EQ(Ledger::Read(PathOf("actor", 0))->consumer, std::nullopt);
  EXPECT_FALSE(Ledger::ReadConsumerHistory(PathOf("actor", 0)).ok());
}

TEST_F(LedgerTest, CommitKeepsThePreviousStateAndClearsThePendingOne) {
  auto ledger = Make(Identity("trainer", 0));
  auto state = std::make_unique<ConsumerState>();
  for (uint64_t batch = 1; batch <= 5; ++batch) {
    state->batch = batch;
    ledger->SetPending(*state);
    ASSERT_NE(ledger->pending(), nullptr);
    EXPECT_EQ(ledger->pending()->batch, batch);
    EXPECT_EQ(ledger->current().batch, batch - 1);
    ledger->Commit(*state);
    EXPECT_EQ(ledger->current().batch, batch);
    EXPECT_EQ(ledger->previous()->batch, batch - 1);
    EXPECT_EQ(ledger->pending(), nullptr);
  }
  state->batch = 6;
  ledger->SetPending(*state);
  const auto history = Ledger::ReadConsumerHistory(PathOf("trainer", 0));
  ASSERT_TRUE(history.ok());
  EXPECT_EQ(history->current.batch, 5u);
  EXPECT_EQ(history->pending->batch, 6u);
  EXPECT_EQ(history->previous->batch, 4u);
  ledger->ClearPending();
  EXPECT_EQ(ledger->pending(), nullptr);
  EXPECT_EQ(Ledger::Read(PathOf("trainer", 0))->consumer->batch, 5u);
}

TEST_F(LedgerTest, ARestartedTrainerCarriesItsStateOver) {
  auto state = std::make_unique<ConsumerState>();
  state->trained.Add(7, 64);
  ASSERT_TRUE(state->Lane(2, 1)->Mark(1));
  const auto ledger = Ledger::Create(folder_, Identity("trainer", 0, 2), state.get());
  ASSERT_TRUE(ledger.ok());
  const auto seen = Ledger::Read(PathOf("trainer", 0, 2));
  ASSERT_TRUE(seen.ok());
  EXPECT_EQ(seen->consumer->trained.env_steps, 448u);
  EXPECT_EQ(seen->consumer->FindLane(2, 1)->count(), 1u);
}

// A process that is killed anywhere leaves a state that some commit wrote as a whole.
TEST_F(LedgerTest, AKilledWriterLeavesAWholeState) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto ledger = Ledger::Create(folder_, Identity("trainer", 0));
    auto state = std::make_unique<ConsumerState>();
    for (uint64_t i = 1;; ++i) {
      state->batch = i;
      state->trained = {i, 64 * i};
      for (uint32_t lane = 0; lane < 50; ++lane) state->Lane(lane, 1)->contiguous = i;
      if (i % 2 == 0) (*ledger)->SetPending(*state);
      (*ledger)->Commit(*state);
    }
  }
  const auto check = [](const ConsumerState& state) {
    ASSERT_EQ(state.trained.segments, state.batch);
    ASSERT_EQ(state.trained.env_steps, 64 * state.batch);
    if (state.batch == 0) return;
    ASSERT_EQ(state.num_lanes, 50u);
    for (size_t lane = 0; lane < 50; ++lane) ASSERT_EQ(state.lanes[lane].contiguous, state.batch);
  };
  const Deadline deadline = After(std::chrono::seconds(30));
  uint64_t newest = 0;
  int reads = 0;
  while ((reads < 200 || newest < 1000) && !Expired(deadline)) {
    const auto seen = Ledger::Read(PathOf("trainer", 0));
    if (!seen.ok()) continue;  // not there yet, or it changed too quickly
    check(*seen->consumer);
    EXPECT_GE(seen->consumer->batch, newest);
    newest = seen->consumer->batch;
    ++reads;
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_GE(newest, 1000u);
  const auto history = Ledger::ReadConsumerHistory(PathOf("trainer", 0));
  ASSERT_TRUE(history.ok());
  check(history->current);
  check(*history->previous);
  if (history->pending) check(*history->pending);
}

TEST_F(LedgerTest, SumsWhatEnvironmentsSayAboutTheirEpisodes) {
  auto ledger = Make(Identity("actor", 0));
  ASSERT_TRUE(ledger->NameStatistics({"hidden", std::string(60, 'x')}).ok());
  ledger->AddStatistic(0, 1.5, 2);
  ledger->AddStatistic(0, 0.25, 1);
  const auto snapshot = Ledger::Read(PathOf("actor", 0));
  ASSERT_TRUE(snapshot.ok());
  ASSERT_EQ(snapshot->statistics.size(), 2u);
  EXPECT_EQ(snapshot->statistics[0].name, "hidden");
  EXPECT_EQ(snapshot->statistics[0].sum, 1.75);
  EXPECT_EQ(snapshot->statistics[0].count, 3u);
  EXPECT_EQ(snapshot->statistics[1].name, std::string(47, 'x'));
  EXPECT_EQ(snapshot->statistics[1].count, 0u);
  EXPECT_EQ(ledger->NameStatistics(std::vector<std::string>(kMaxStatistics + 1)).code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(LedgerTest, LanesAreLimited) {
  auto ledger = Make(Identity("actor", 0));
  for (uint32_t i = 0; i < kMaxLedgerLanes; ++i) ASSERT_TRUE(ledger->AddLane("p", i, 1, 1).ok());
  EXPECT_EQ(ledger->AddLane("p", kMaxLedgerLanes, 1, 1).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(LedgerTest, EpisodesAreReadFromAnyPointOn) {
  auto ledger = Make(Identity("actor", 0));
  const auto file = Ledger::OpenForReading(PathOf("actor", 0));
  ASSERT_TRUE(file.ok());
  for (uint32_t i = 0; i < 10; ++i) {
    EpisodeRecord episode;
    episode.length = i;
    ledger->RecordEpisode(episode);
  }
  EXPECT_EQ(Ledger::Read(**file)->episode_count, 10u);
  const auto tail = Ledger::ReadEpisodes(**file, 7);
  ASSERT_TRUE(tail.ok());
  ASSERT_EQ(tail->size(), 3u);
  EXPECT_EQ(tail->front().length, 7u);
  EXPECT_TRUE(Ledger::ReadEpisodes(**file, 10)->empty());
}

TEST_F(LedgerTest, TheEpisodeRingKeepsTheNewest) {
  auto ledger = Make(Identity("actor", 0));
  const auto file = Ledger::OpenForReading(PathOf("actor", 0));
  ASSERT_TRUE(file.ok());
  const uint32_t count = kEpisodeRing + 1000;
  for (uint32_t i = 0; i < count; ++i) {
    EpisodeRecord episode;
    episode.length = i;
    ledger->RecordEpisode(episode);
  }
  const auto episodes = Ledger::ReadEpisodes(**file, 0);
  ASSERT_TRUE(episodes.ok());
  EXPECT_EQ(episodes->back().length, count - 1);
  EXPECT_GE(episodes->size(), kEpisodeRing - 256);
  for (size_t i = 1; i < episodes->size(); ++i) {
    ASSERT_EQ((*episodes)[i].length, (*episodes)[i - 1].length + 1);
  }
}

TEST_F(LedgerTest, RefusesFilesThatAreNoLedgers) {
  EXPECT_EQ(Ledger::Read(folder_ / "none-0.1").status().code(), absl::StatusCode::kNotFound);
  std::ofstream(PathOf("actor", 1)) << "short";
  EXPECT_FALSE(Ledger::Read(PathOf("actor", 1)).ok());
  std::ofstream(PathOf("actor", 2)) << std::string(2 << 20, '\0');
  EXPECT_FALSE(Ledger::Read(PathOf("actor", 2)).ok());
  Make(Identity("actor", 3));
  EXPECT_EQ(Ledger::Create(folder_, Identity("actor", 3)).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(LedgerTest, FilesAreListedByRoleIndexAndIncarnation) {
  for (const char* name : {"actor-10.1", "actor-2.2", "actor-2.1", "parameter_server-0.1", "notes",
                           "actor-x.1", "actor-1.1.tmp.5.0", "-1.1"}) {
    std::ofstream(folder_ / name) << "";
  }
  std::vector<std::string> names;
  for (const auto& [name, path] : ListLedgers(folder_)) names.push_back(path.filename().string());
  EXPECT_THAT(names, ::testing::ElementsAre("actor-2.1", "actor-2.2", "actor-10.1",
                                            "parameter_server-0.1"));
  EXPECT_TRUE(ListLedgers(folder_ / "none").empty());
}

TEST(LaneMark, CountsOutOfOrderSequencesOnce) {
  LaneMark mark;
  EXPECT_TRUE(mark.Mark(2));
  EXPECT_EQ(mark.contiguous, 0u);
  EXPECT_EQ(mark.count(), 1u);
  EXPECT_FALSE(mark.Mark(2));
  EXPECT_TRUE(mark.Mark(1));
  EXPECT_EQ(mark.contiguous, 2u);
  EXPECT_EQ(mark.beyond, (decltype(mark.beyond){}));
  EXPECT_FALSE(mark.Mark(1));
  EXPECT_FALSE(mark.Contains(3));
}

TEST(LaneMark, ReachesAWindowAhead) {
  constexpr uint64_t kWindow = LaneMark::kWindow;
  LaneMark mark;
  EXPECT_TRUE(mark.Mark(kWindow));
  EXPECT_FALSE(mark.Mark(kWindow + 1));
  EXPECT_TRUE(mark.Contains(kWindow));
  EXPECT_EQ(mark.count(), 1u);
  for (uint64_t sequence = 1; sequence < kWindow; ++sequence) EXPECT_TRUE(mark.Mark(sequence));
  EXPECT_EQ(mark.contiguous, kWindow);
  EXPECT_EQ(mark.count(), kWindow);
}

// Property: in whatever order a window arrives, with repetitions, each sequence counts once.
TEST(LaneMark, CountsEverySequenceOnceInAnyOrder) {
  Rng rng(3, 0);
  LaneMark mark;
  uint64_t accepted = 0;
  for (int i = 0; i < 20000; ++i) accepted += mark.Mark(mark.contiguous + rng.Below(200)) ? 1 : 0;
  EXPECT_GT(mark.contiguous, 100u);
  EXPECT_EQ(mark.count(), accepted);
}

TEST(ConsumerState, FindsAndMakesLanes) {
  auto state = std::make_unique<ConsumerState>();
  EXPECT_EQ(state->FindLane(1, 1), nullptr);
  LaneMark* lane = state->Lane(1, 1);
  ASSERT_NE(lane, nullptr);
  EXPECT_EQ(state->Lane(1, 1), lane);
  EXPECT_NE(state->Lane(1, 2), lane);
  EXPECT_EQ(state->num_lanes, 2u);
  for (uint32_t i = 2; i < kMaxLaneMarks; ++i) ASSERT_NE(state->Lane(9, i), nullptr);
  EXPECT_EQ(state->Lane(10, 1), nullptr);
}

TEST(Names, OfCountersAndReasonsAreDistinct) {
  std::vector<std::string_view> names;
  for (int i = 0; i < kNumCounters; ++i) names.push_back(Name(static_cast<Counter>(i)));
  EXPECT_EQ(names.back(), "policy_version");
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
  EXPECT_EQ(Name(DropReason::kRolledBack), "rolled_back");
  EXPECT_EQ(Name(DropReason::kDrained), "drained");
}

}  // namespace
}  // namespace millrace
