#include "embedding/table_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::embedding {
namespace {

using testing::HasSubstr;

const std::vector<TableOptions> kTables = {
    {.name = "large", .rows = 1'000'000, .columns = 128},
    {.name = "middle", .rows = 90'000, .columns = 64, .optimizer = Optimizer::kSgd},
    {.name = "small", .rows = 80'000, .columns = 64, .optimizer = Optimizer::kSgd}};

TEST(TablePlan, WholeTablesGoToWhoeverHasLeast) {
  const TablePlan plan = PlanTableWise(kTables, 2);
  EXPECT_TRUE(CheckPlan(plan, kTables, 2).ok());
  ASSERT_EQ(plan.shards.size(), 3U);
  EXPECT_EQ(plan.shards[0].rank, 0);
  EXPECT_EQ(plan.shards[1].rank, 1);
  EXPECT_EQ(plan.shards[2].rank, 1);
}

TEST(TablePlan, RowsAreCutAtBucketsAndColumnsAtBlocksOfSquares) {
  TablePlan plan;
  const std::vector<int> ranks = {0, 1, 2};
  AddTable(0, kTables[0], 3, 5, ranks, plan);
  EXPECT_EQ(BucketRows(kTables[0]), 1024);
  EXPECT_TRUE(CheckPlan(plan, std::span(kTables).first(1), 3).ok());
  ASSERT_EQ(plan.shards.size(), 6U);  // two blocks of 64 columns
  int64_t numbers = 0;
  for (const PlacedShard& placed : plan.shards) {
    EXPECT_EQ(placed.shard.first_row % 1024, 0);
    EXPECT_EQ(placed.shard.columns, 64);
    numbers += placed.shard.rows * placed.shard.columns;
  }
  EXPECT_EQ(numbers, kTables[0].rows * kTables[0].columns);
}

TEST(TablePlan, SmallTablesHaveFewerParts) {
  const TableOptions tiny = {.name = "tiny", .rows = 2, .columns = 8};
  TablePlan plan;
  const std::vector<int> ranks = {0, 1, 2, 3};
  AddTable(0, tiny, 4, 4, ranks, plan);
  EXPECT_EQ(plan.shards.size(), 2U);
  EXPECT_TRUE(CheckPlan(plan, {&tiny, 1}, 4).ok());
}

TEST(TablePlan, PlansThatDoNotMakeUpTheTablesAreRefused) {
  const auto refusal = [](auto change) {
    TablePlan plan;
    const std::vector<int> ranks = {0, 1};
    for (int t = 0; t < 3; ++t) AddTable(t, kTables[static_cast<size_t>(t)], 2, 1, ranks, plan);
    change(plan.shards);
    return std::string(CheckPlan(plan, kTables, 2).message());
  };
  using Shards = std::vector<PlacedShard>;
  EXPECT_EQ(refusal([](Shards&) {}), "");
  EXPECT_THAT(refusal([](Shards& shards) { shards.pop_back(); }),
              HasSubstr("table small: parts are missing"));
  EXPECT_THAT(refusal([](Shards& shards) { shards[1].shard.first_row += 1; }),
              HasSubstr("table large: shards that overlap"));
  EXPECT_THAT(refusal([](Shards& shards) { shards[0].rank = 2; }),
              HasSubstr("a shard of table 0 of 3 on rank 2 of 2"));
  EXPECT_THAT(refusal([](Shards& shards) { shards[3].rank = kEveryRank; }),
              HasSubstr("table middle: every rank has a shard of it that is not the whole"));
  EXPECT_THAT(refusal([](Shards& shards) { shards[0].shard.columns = 100; }),
              HasSubstr("table large: shards that overlap"));
  EXPECT_THAT(refusal([](Shards& shards) { std::swap(shards[0], shards[2]); }),
              HasSubstr("table large: nobody has it"));
  EXPECT_THAT(refusal([](Shards& shards) { shards.erase(shards.begin(), shards.begin() + 2); }),
              HasSubstr("table large: nobody has it"));
}

}  // namespace
}  // namespace millrace::embedding
