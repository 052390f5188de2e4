#include "backends/dlrm/table_sharding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace millrace {
namespace {

using testing::HasSubstr;

class TableSharding : public testing::Test {
 protected:
  ~TableSharding() override { std::filesystem::remove(file_); }

  std::string Refusal(const std::string& text, int ranks = 2) const {
    std::ofstream(file_) << text;
    const auto plan = ReadTablePlan(file_, tables_, ranks);
    EXPECT_TRUE(absl::IsInvalidArgument(plan.status()));
    return std::string(plan.status().message());
  }

  const std::vector<embedding::TableOptions> tables_ = {
      {.name = "user", .rows = 100'000, .columns = 128},
      {.name = "item", .rows = 5'000, .columns = 64}};
  const std::vector<double> lookups_ = {1, 20};
  const std::string file_ =
      testing::TempDir() + "table_sharding_test-" + std::to_string(::getpid()) + ".json";
};

TEST_F(TableSharding, PlansAreReadAsTheyWereWritten) {
  embedding::TablePlan grid;
  AddTable(0, tables_[0], 3, 2, std::vector<int>{1, 0, 1, 1, 0, 0}, grid);
  AddReplicatedTable(1, tables_[1], grid);
  ASSERT_TRUE(WriteTablePlan(grid, tables_, 2, file_).ok());
  const auto read = ReadTablePlan(file_, tables_, 2);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->shards, grid.shards);
  for (const Sharding sharding : {Sharding::kTableWise, Sharding::kRowWise, Sharding::kColumnWise,
                                  Sharding::kReplicated, Sharding::kPlanned}) {
    const auto plan = MakeTablePlan(sharding, tables_, lookups_, 3);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_TRUE(CheckPlan(*plan, tables_, 3).ok());
    ASSERT_TRUE(WriteTablePlan(*plan, tables_, 3, file_).ok());
    EXPECT_EQ(ReadTablePlan(file_, tables_, 3)->shards, plan->shards);
  }
}

TEST_F(TableSharding, WrongFilesSayWhatIsWrong) {
  EXPECT_THAT(std::string(ReadTablePlan("/nowhere", tables_, 2).status().message()),
              HasSubstr("backend.plan_file: /nowhere: expected a file"));
  EXPECT_THAT(Refusal("ranks: 2"), HasSubstr("expected JSON with ranks and tables"));
  EXPECT_THAT(Refusal(R"({"ranks": 2, "tables": []})", 3),
              HasSubstr("expected a plan for 3 trainers, got one for 2"));
  EXPECT_THAT(Refusal(R"({"ranks": 2, "tables": [{"name": "itme"}]})"),
              HasSubstr("got \"itme\"; did you mean \"item\"?"));
  EXPECT_THAT(Refusal(R"({"ranks": 2, "tables": [{"name": "item", "replicated": true}]})"),
              HasSubstr("expected a table \"user\", got none"));
  const std::string item = R"(, {"name": "item", "replicated": true}]})";
  EXPECT_THAT(Refusal(R"({"ranks": 2, "tables": [{"name": "user", "ranks": "0"})" + item),
              HasSubstr("of table \"user\" whole numbers for row_parts"));
  EXPECT_THAT(Refusal(R"({"ranks": 2, "tables": [{"name": "user", "ranks": []})" + item),
              HasSubstr("of table \"user\" whole numbers for row_parts"));
  EXPECT_THAT(Refusal(R"({"ranks": 2, "tables": [{"name": "user", "ranks": [-1]})" + item),
              HasSubstr("whole numbers"));
  EXPECT_THAT(
      Refusal(R"({"ranks": 2, "tables": [{"name": "user", "row_part": 2, "ranks": [0]})" + item),
      HasSubstr("no key \"row_part\"; did you mean \"row_parts\"?"));
  EXPECT_THAT(
      Refusal(R"({"ranks": 2, "tables": [{"name": "user", "column_parts": 3, "ranks": [0]})" +
              item),
      HasSubstr("a grid that it can be cut into, with at most as many ranks, got 1 x 3"));
  EXPECT_THAT(Refusal(R"({"ranks": 2, "tables": [{"name": "item", "replicated": true})" + item),
              HasSubstr("table \"item\" once"));
  EXPECT_THAT(Refusal(R"({"ranks": 2, "tables": [{"name": "user", "ranks": [2]})" + item),
              HasSubstr("on rank 2 of 2"));
}

}  // namespace
}  // namespace millrace
