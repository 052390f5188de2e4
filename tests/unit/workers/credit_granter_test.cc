#include "workers/trainer/credit_granter.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace millrace {
namespace {

ProducerStatus Producer(uint32_t index, uint64_t wanted, uint64_t granted = 0) {
  return {.producer = index,
          .incarnation = 0,
          .wanted = wanted,
          .granted = granted,
          .env_steps_each = 32};
}

CreditPlan Plan(int64_t segments, int lag = 0) {
  return {.segments_per_batch = segments,
          .ranks = 1,
          .max_policy_lag = lag,
          .last_batch = {},
          .fixed_producers = 0};
}

TEST(CreditGranter, GrantsOneBatchPerVersionAtLagZero) {
  CreditGranter granter(Plan(2));
  granter.Begin(/*epoch=*/1, /*batch=*/0, /*version=*/0);
  EXPECT_EQ(granter.Next({Producer(0, 5)}).size(), 2u);
  EXPECT_TRUE(granter.Next({Producer(0, 5, 2)}).empty());
  granter.Advance(1);
  const auto next = granter.Next({Producer(0, 5, 2)});
  ASSERT_EQ(next.size(), 2u);
  EXPECT_EQ(next[0].credit.batch, 1u);
  EXPECT_EQ(next[0].credit.min_version, 1u);
}

TEST(CreditGranter, LetsActorsRunAheadByTheLag) {
  CreditGranter granter(Plan(1, /*lag=*/2));
  granter.Begin(1, /*batch=*/10, /*version=*/7);
  const auto grants = granter.Next({Producer(0, 9)});
  ASSERT_EQ(grants.size(), 3u);  // batches 10, 11, 12
  EXPECT_EQ(grants[2].credit.batch, 12u);
  EXPECT_EQ(grants[2].credit.min_version, 7u);  // version of batch 12 is 9
}

TEST(CreditGranter, GoesAroundTheProducersWithDemand) {
  CreditGranter granter(Plan(4));
  granter.Begin(1, 0, 0);
  const auto grants = granter.Next({Producer(0, 3), Producer(1, 0), Producer(2, 3)});
  ASSERT_EQ(grants.size(), 4u);
  EXPECT_EQ(grants[0].producer.first, 0u);
  EXPECT_EQ(grants[1].producer.first, 2u);
  EXPECT_EQ(grants[2].producer.first, 0u);
  EXPECT_EQ(grants[3].producer.first, 2u);
}

// What a reader reads is a function of the credit alone.
TEST(CreditGranter, NumbersTheSegmentsOfADatasetsBatch) {
  CreditPlan plan = Plan(2, /*lag=*/1);
  plan.slots = true;
  CreditGranter granter(plan);
  granter.Begin(/*epoch=*/1, /*batch=*/5, /*version=*/3);
  auto grants = granter.Next({Producer(0, 9), Producer(1, 9)});
  ASSERT_EQ(grants.size(), 4u);  // batches 5 and 6
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(grants[i].credit.batch, 5 + i / 2);
    EXPECT_EQ(grants[i].credit.slot, i % 2);
    EXPECT_EQ(grants[i].credit.min_version, 3 + i / 2);  // nobody acts: as new as the batch
  }
  // Another one reads what a lost reader did not deliver.
  granter.Fulfilled({0, 0}, grants[0].credit);
  granter.ProducerLost({0, 0}, {});
  grants = granter.Next({Producer(1, 9, 2)});
  ASSERT_EQ(grants.size(), 1u);
  EXPECT_EQ(grants[0].credit.batch, 6u);
  EXPECT_EQ(grants[0].credit.slot, 0u);
}

TEST(CreditGranter, NeighbouringSlotsGoToOneRankAndAreToldApart) {
  CreditPlan plan = Plan(8);
  plan.slots = true;
  plan.ranks = 2;
  plan.slots_in_a_row = 2;
  CreditGranter granter(plan);
  granter.Begin(1, 0, 0);
  auto grants = granter.Next({Producer(0, 8)});
  ASSERT_EQ(grants.size(), 8u);
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(grants[i].credit.slot, i);
    EXPECT_EQ(grants[i].credit.rank, i / 2 % 2);
  }
  // The other rank has slots 2 and 7 of a lost reader, and threw away 6.
  granter.ProducerLost({0, 0}, {{{0, 2}, 1}, {{0, 7}, 1}, {{0, 6}, 1}});
  granter.Return(granter.Make(0, 6));
  grants = granter.Next({Producer(1, 9)});
  std::vector<uint32_t> slots;
  for (const auto& grant : grants) slots.push_back(grant.credit.slot);
  std::ranges::sort(slots);
  EXPECT_EQ(slots, (std::vector<uint32_t>{0, 1, 3, 4, 5, 6}));
}

TEST(CreditGranter, NamesTheRanksRoundRobin) {
  CreditPlan plan = Plan(4);
  plan.ranks = 2;
  CreditGranter granter(plan);
  granter.Begin(1, 0, 0);
  const auto grants = granter.Next({Producer(0, 4)});
  ASSERT_EQ(grants.size(), 4u);
  EXPECT_EQ(grants[0].credit.rank, 0u);
  EXPECT_EQ(grants[1].credit.rank, 1u);
  EXPECT_EQ(grants[2].credit.rank, 0u);
}

TEST(CreditGranter, GrantsAgainWhatADeadProducerDidNotDeliver) {
  CreditGranter granter(Plan(3));
  granter.Begin(1, 0, 0);
  const auto grants = granter.Next({Producer(0, 3)});
  granter.Fulfilled({0, 0}, grants[0].credit);
  granter.ProducerLost({0, 0}, {});
  EXPECT_EQ(granter.Next({Producer(1, 9)}).size(), 2u);
}

TEST(CreditGranter, CountsWhatOtherRanksReceivedFromADeadProducer) {
  CreditPlan plan = Plan(4);
  plan.ranks = 2;
  CreditGranter granter(plan);
  granter.Begin(1, 0, 0);
  granter.Next({Producer(0, 4)});
  granter.ProducerLost({0, 0}, {{{0, 1}, 1}});  // rank 1 has one of its two
  EXPECT_EQ(granter.Next({Producer(1, 9)}).size(), 3u);
}

TEST(CreditGranter, ForgetsCreditsOfAnEarlierGroup) {
  CreditGranter granter(Plan(2));
  granter.Begin(1, 0, 0);
  const auto old = granter.Next({Producer(0, 2)});
  granter.Begin(2, 0, 1);
  granter.Return(old[0].producer, old[0].credit);
  EXPECT_EQ(granter.Next({Producer(0, 9, 2)}).size(), 2u);
}

TEST(CreditGranter, StopsAtTheLastBatch) {
  CreditPlan plan = Plan(1, /*lag=*/5);
  plan.last_batch = 1;
  CreditGranter granter(plan);
  granter.Begin(1, 0, 0);
  EXPECT_EQ(granter.Next({Producer(0, 9)}).size(), 2u);
}

TEST(CreditGranter, SharesEveryBatchEquallyInDeterministicRuns) {
  CreditPlan plan = Plan(4);
  plan.fixed_producers = 2;
  CreditGranter granter(plan);
  granter.Begin(1, 0, 0);
  EXPECT_TRUE(granter.Next({Producer(0, 9)}).empty()) << "waits until both are there";
  int to_first = 0;
  for (const auto& grant : granter.Next({Producer(0, 9), Producer(1, 2)})) {
    to_first += grant.producer.first == 0 ? 1 : 0;
  }
  EXPECT_EQ(to_first, 2);
}

TEST(CreditGranter, GivesAShareBackInDeterministicRuns) {
  CreditPlan plan = Plan(4);
  plan.fixed_producers = 2;
  CreditGranter granter(plan);
  granter.Begin(1, 0, 0);
  const auto grants = granter.Next({Producer(0, 2), Producer(1, 2)});
  ASSERT_EQ(grants.size(), 4u);
  granter.Return(grants[0].producer, grants[0].credit);
  const auto again = granter.Next({Producer(0, 3, 2), Producer(1, 3, 2)});
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].producer, grants[0].producer);
}

TEST(CreditGranter, SendsEachGroupToOneRankInDeterministicRuns) {
  CreditPlan plan = Plan(8);
  plan.ranks = 2;
  plan.fixed_producers = 2;
  plan.groups_per_producer = 2;
  // Whoever asks first: two segments of each of two groups, the first group's to rank 0.
  for (const bool first_asks_first : {true, false}) {
    CreditGranter granter(plan);
    granter.Begin(1, 0, 0);
    std::map<uint32_t, std::vector<uint32_t>> ranks;
    const auto collect = [&](const std::vector<CreditGranter::Grant>& grants) {
      for (const auto& grant : grants) ranks[grant.producer.first].push_back(grant.credit.rank);
    };
    collect(granter.Next(
        {Producer(0, first_asks_first ? 9 : 0), Producer(1, first_asks_first ? 0 : 9)}));
    collect(granter.Next({Producer(0, 9), Producer(1, 9)}));
    const std::vector<uint32_t> expected = {0, 1, 0, 1};
    EXPECT_EQ(ranks[0], expected);
    EXPECT_EQ(ranks[1], expected);
  }
}

}  // namespace
}  // namespace millrace
