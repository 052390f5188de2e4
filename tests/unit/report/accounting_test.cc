#include "report/accounting.h"

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "ledger_folder.h"

namespace millrace {
namespace {

using AccountingTest = LedgerFolder;

TEST_F(AccountingTest, AddsUpActorsIncarnationsAndRanks) {
  auto first = Make("actor", 0, 1);
  Commit(*first, *first->AddLane("p", 0, 64, 64), 5);
  auto again = Make("actor", 0, 2);
  Commit(*again, *again->AddLane("p", 0, 64, 64), 3);
  Commit(*again, *again->AddLane("p", 1, 64, 64), 2);  // rank 1 has not begun

  auto state = std::make_unique<ConsumerState>();
  for (uint64_t sequence : {1, 2, 3, 5}) state->Lane(0, 1)->Mark(sequence);
  state->Lane(0, 2)->Mark(1);
  state->trained.Add(4, 64);
  state->Drop(DropReason::kStale, 1, 64);
  state->redelivered.Add(2, 64);
  auto trainer = Make("trainer", 0, 1, "p");
  trainer->Commit(*state);

  const auto accounting = ReadAccounting(folder_);
  ASSERT_TRUE(accounting.ok()) << accounting.status();
  const StreamAccounting& stream = accounting->at("p");
  EXPECT_EQ(stream.produced, (SegmentCount{10, 640}));
  EXPECT_EQ(stream.trained, (SegmentCount{4, 256}));
  EXPECT_EQ(stream.TotalDropped(), (SegmentCount{1, 64}));
  // Lane (0, 1): 5 - 4; lane (0, 2): 3 - 1; rank 1: 2.
  EXPECT_EQ(stream.in_flight, (SegmentCount{5, 320}));
  EXPECT_EQ(stream.redelivered.segments, 2u);
  EXPECT_TRUE(stream.Holds());
}

TEST_F(AccountingTest, TakesTotalsFromTheNewestIncarnationOfATrainer) {
  auto actor = Make("actor", 0, 1);
  Commit(*actor, *actor->AddLane("p", 0, 10, 10), 4);
  auto state = std::make_unique<ConsumerState>();
  for (uint64_t sequence : {1, 2, 3}) state->Lane(0, 1)->Mark(sequence);
  state->trained.Add(3, 10);
  auto dead = Make("trainer", 0, 1, "p");
  dead->Commit(*state);
  // The new one rolled back one segment.
  state->trained = {2, 20};
  state->Drop(DropReason::kRolledBack, 1, 10);
  auto alive = Make("trainer", 0, 2, "p", 0, state.get());
  const auto accounting = ReadAccounting(folder_);
  EXPECT_EQ(accounting->at("p").trained, (SegmentCount{2, 20}));
  EXPECT_TRUE(accounting->at("p").Holds());
}

TEST_F(AccountingTest, KeepsStreamsApart) {
  auto actor = Make("actor", 0, 1);
  Commit(*actor, *actor->AddLane("left", 0, 10, 10), 4);
  Commit(*actor, *actor->AddLane("right", 0, 10, 20), 3);
  auto state = std::make_unique<ConsumerState>();
  state->Lane(0, 1)->Mark(1);
  state->trained.Add(1, 10);
  auto trainer = Make("trainer", 0, 1, "left");
  trainer->Commit(*state);
  const auto accounting = ReadAccounting(folder_);
  EXPECT_EQ(accounting->at("left").in_flight.segments, 3u);
  EXPECT_EQ(accounting->at("right").in_flight.segments, 3u);
  EXPECT_TRUE(accounting->at("left").Holds() && accounting->at("right").Holds());
}

TEST_F(AccountingTest, DoesNotHoldIfACountIsWrong) {
  auto actor = Make("actor", 0, 1);
  Commit(*actor, *actor->AddLane("p", 0, 10, 10), 1);
  auto trainer = Make("trainer", 0, 1, "p");
  auto holds = [&](const ConsumerState& state) {
    trainer->Commit(state);
    return ReadAccounting(folder_)->at("p").Holds();
  };
  auto state = std::make_unique<ConsumerState>();
  EXPECT_TRUE(holds(*state));
  state->trained.Add(1, 10);  // trained, but the lane is not marked
  EXPECT_FALSE(holds(*state));
  state->Lane(0, 1)->Mark(1);
  EXPECT_TRUE(holds(*state));
  state->Lane(0, 1)->Mark(2);  // marked, but never produced
  state->trained.Add(1, 10);
  EXPECT_FALSE(holds(*state));
  state = std::make_unique<ConsumerState>();
  state->duplicates.Add(1, 10);
  EXPECT_FALSE(holds(*state));
}

TEST_F(AccountingTest, HoldsAtEveryMomentOfALiveRun) {
  auto actor = Make("actor", 0, 1);
  const int lane = *actor->AddLane("p", 0, 8, 8);
  auto trainer = Make("trainer", 0, 1, "p");
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> trained = 0;  // the consumer part of a ledger is bound to its thread
  std::jthread producer([&] {
    while (!stop) {
      if (actor->committed(lane) < trained + 60) actor->Commit(lane);
    }
  });
  std::jthread consumer([&] {
    auto state = std::make_unique<ConsumerState>();
    while (!stop) {
      if (state->trained.segments == actor->committed(lane)) continue;
      ASSERT_TRUE(state->Lane(0, 1)->Mark(state->trained.segments + 1));
      state->trained.Add(1, 8);
      trainer->Commit(*state);
      trained = state->trained.segments;
    }
  });
  uint64_t produced = 0;
  LedgerSet ledgers(folder_);
  for (int i = 0; i < 500; ++i) {
    if (!ledgers.Refresh().ok()) continue;
    const StreamAccounting stream = AccountingOf(ledgers.entries()).at("p");
    EXPECT_TRUE(stream.Holds()) << stream.ToJson().dump();
    EXPECT_GE(stream.produced.segments, produced);
    produced = stream.produced.segments;
  }
  stop = true;
  EXPECT_GT(produced, 0u);
}

TEST_F(AccountingTest, HasTheFormOfSummaryJson) {
  auto actor = Make("actor", 0, 1);
  Commit(*actor, *actor->AddLane("p", 0, 10, 10), 3);
  auto state = std::make_unique<ConsumerState>();
  state->Lane(0, 1)->Mark(1);
  state->Lane(0, 1)->Mark(2);
  state->trained.Add(1, 10);
  state->Drop(DropReason::kLostProducer, 1, 10);
  auto trainer = Make("trainer", 0, 1, "p");
  trainer->Commit(*state);
  EXPECT_EQ(ToJson(*ReadAccounting(folder_)), nlohmann::ordered_json::parse(R"({"sample/p": {
      "produced": 3, "trained": 1, "dropped": {"lost_producer": 1}, "in_flight": 1,
      "duplicates": 0, "redelivered": 0,
      "env_steps": {"produced": 30, "trained": 10, "dropped": {"lost_producer": 10},
                    "in_flight": 10, "duplicates": 0, "redelivered": 0},
      "holds": true}})"));
}

TEST_F(AccountingTest, OfAnEmptyFolderIsEmpty) {
  EXPECT_TRUE(ReadAccounting(folder_)->empty());
  EXPECT_TRUE(ReadAccounting(folder_ / "none")->empty());
}

}  // namespace
}  // namespace millrace
