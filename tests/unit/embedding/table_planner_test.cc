#include "embedding/table_planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "millrace/core/rng.h"

namespace millrace::embedding {
namespace {

using testing::HasSubstr;

// A lookup of 64 columns takes 100 ns for each pass.
constexpr LookupCost kCost = {.lookup = 36e-9, .byte = 0.25e-9};
constexpr ExchangeCost kExchange = {.id = 1e-9, .byte = 0.2e-9, .latency = 5e-6};

TableLoad Load(const std::string& name, int64_t rows, double lookups, int64_t columns = 64) {
  return {.table = {.name = name, .rows = rows, .columns = columns},
          .lookups = lookups,
          .forward = kCost,
          .update = kCost};
}

PlannerOptions Ranks(int ranks, int64_t bytes = int64_t{1} << 50) {
  return {.ranks = ranks, .samples = 4096, .tiers = {{.bytes = bytes}}, .exchange = kExchange};
}

std::vector<TableOptions> TablesOf(std::span<const TableLoad> loads) {
  std::vector<TableOptions> tables;
  for (const TableLoad& load : loads) tables.push_back(load.table);
  return tables;
}

// Tables whose lookups differ as much as those of production models: lognormal, sigma 1.5.
std::vector<TableLoad> Lognormal(int tables, uint64_t seed) {
  Rng rng(seed, 0);
  std::vector<TableLoad> loads;
  for (int t = 0; t < tables; ++t) {
    loads.push_back(Load(std::to_string(t), 1'000'000, std::exp(1.5 * rng.Normal()), 256));
  }
  return loads;
}

TEST(TablePlanner, EvensOutWhatRanksDo) {
  for (const auto& [tables, ranks] :
       {std::pair{26, 4}, std::pair{100, 8}, std::pair{300, 16}, std::pair{1000, 128}}) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      const auto loads = Lognormal(tables, seed);
      const auto plan = PlanTables(loads, Ranks(ranks));
      ASSERT_TRUE(plan.ok()) << plan.status();
      EXPECT_TRUE(CheckPlan(*plan, TablesOf(loads), ranks).ok());
      const PredictedStep step = PredictStep(*plan, loads, Ranks(ranks));
      EXPECT_LE(step.imbalance, 1.05) << tables << " tables, " << ranks << " ranks";
      // Whole tables are far from that where there are few for each rank.
      const auto whole = PredictStep(PlanTableWise(TablesOf(loads), ranks), loads, Ranks(ranks));
      EXPECT_LT(step.seconds, whole.seconds);
    }
  }
}

TEST(TablePlanner, DoesNotCutWhatIsEvenAlready) {
  std::vector<TableLoad> loads;
  for (int t = 0; t < 8; ++t) loads.push_back(Load(std::to_string(t), 100'000, 4));
  const auto plan = PlanTables(loads, Ranks(4));
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->shards.size(), 8U);
  EXPECT_NEAR(PredictStep(*plan, loads, Ranks(4)).imbalance, 1, 1e-9);
}

TEST(TablePlanner, CutsWideTablesIntoColumnsAndThoseOfShortBagsIntoRows) {
  const auto cut = [](const TableLoad& load) {
    const auto plan = PlanTables({&load, 1}, Ranks(2));
    EXPECT_TRUE(plan.ok());
    EXPECT_GT(plan->shards.size(), 1U);
    return plan->shards.front().shard;
  };
  const TableLoad wide = Load("wide", 100'000, 20, 256);
  EXPECT_TRUE(cut(wide).HasAllRows(wide.table));
  const TableLoad narrow = Load("narrow", 100'000, 1, 64);
  EXPECT_TRUE(cut(narrow).HasAllColumns(narrow.table));
}

TEST(TablePlanner, NeverExceedsTheRoomOfARank) {
  Rng rng(7, 0);
  const auto below = [&](uint64_t end) { return static_cast<int64_t>(rng.Below(end)); };
  int fit = 0;
  for (int round = 0; round < 10'000; ++round) {
    std::vector<TableLoad> loads;
    int64_t bytes = 0;
    const int64_t tables = 1 + below(12);
    for (int64_t t = 0; t < tables; ++t) {
      TableLoad load = Load(std::to_string(t), 1 + below(uint64_t{1} << (4 + below(30))),
                            0.5 + rng.Uniform() * 30, 1 + below(512));
      load.table.type = below(2) == 0 ? RowType::kFloat32 : RowType::kFloat16;
      load.table.optimizer = static_cast<Optimizer>(below(5));
      bytes += SlabBytes(load.table, Shard::Whole(load.table));
      loads.push_back(std::move(load));
    }
    const int ranks = static_cast<int>(1 + below(24));
    const double fill = 0.3 + rng.Uniform();
    const auto room = static_cast<int64_t>(static_cast<double>(bytes) / ranks / fill) + 64;
    PlannerOptions options = Ranks(ranks);
    options.tiers = {{.name = "hbm", .bytes = room / 4},
                     {.name = "ddr", .bytes = room - room / 4, .slowdown = 5}};
    const auto plan = PlanTables(loads, options);
    if (!plan.ok()) {
      EXPECT_TRUE(absl::IsResourceExhausted(plan.status()));
      continue;
    }
    ++fit;
    ASSERT_TRUE(CheckPlan(*plan, TablesOf(loads), ranks).ok());
    const PredictedStep step = PredictStep(*plan, loads, options);
    int64_t placed = 0;
    for (const RankLoad& rank : step.ranks) {
      EXPECT_LE(rank.tier_bytes[0], options.tiers[0].bytes);
      EXPECT_LE(rank.tier_bytes[1], options.tiers[1].bytes);
      placed += std::accumulate(rank.tier_bytes.begin(), rank.tier_bytes.end(), int64_t{0});
    }
    EXPECT_GE(placed, bytes);
  }
  EXPECT_GT(fit, 5'000);
}

TEST(TablePlanner, TablesThatDoNotFitAreAnError) {
  const TableLoad load = Load("large", 1'000'000, 1);
  const auto status = PlanTables({&load, 1}, Ranks(2, 1'000'000)).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("260000000 bytes do not fit into 2 ranks"));
}

TEST(TablePlanner, RowsThatAreLookedUpMostAreInTheFastestMemory) {
  const std::vector<TableLoad> loads = {Load("cold", 1'000'000, 1), Load("hot", 1'000, 1)};
  PlannerOptions options = Ranks(1);
  const auto plan = PlanTableWise(TablesOf(loads), 1);
  options.tiers = {{.name = "fast", .bytes = 260'000},
                   {.name = "slow", .bytes = 1 << 30, .slowdown = 10}};
  const PredictedStep step = PredictStep(plan, loads, options);
  EXPECT_EQ(step.ranks[0].tier_bytes, (std::vector<int64_t>{260'000, 260'000'000}));
  // 4,096 lookups in each: 100 ns, and 36 + 10 x 64 ns.
  EXPECT_NEAR(step.ranks[0].forward, 4096 * (100e-9 + 676e-9), 1e-9);
}

TEST(TablePlanner, PredictsReplicatedTables) {
  const std::vector<TableLoad> loads = {Load("small", 1'000, 2)};
  TablePlan plan;
  AddReplicatedTable(0, loads[0].table, plan);
  const PredictedStep step = PredictStep(plan, loads, Ranks(2));
  // Each rank looks up its own samples, and steps on all.
  EXPECT_NEAR(step.ranks[0].forward, 4096 * 100e-9, 1e-9);
  EXPECT_NEAR(step.ranks[0].update, 8192 * 100e-9, 1e-9);
  EXPECT_EQ(step.ranks[1].tier_bytes, (std::vector<int64_t>{260'000}));
}

}  // namespace
}  // namespace millrace::embedding
