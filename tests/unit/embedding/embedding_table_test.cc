#include "embedding/embedding_table.h"

#include <gtest/gtest.h>

#include <cmath>

namespace millrace::embedding {
namespace {

TEST(EmbeddingTable, RowsAreDrawnByThemselves) {
  const TableOptions options = {.name = "user", .rows = 100, .columns = 20, .initial_range = 0.5};
  const auto table = EmbeddingTable::Create(options, /*seed=*/3);
  ASSERT_TRUE(table.ok()) << table.status();
  auto larger_options = options;
  larger_options.rows = 1000;
  const auto larger = EmbeddingTable::Create(larger_options, 3);
  auto other_options = options;
  other_options.name = "item";
  const auto other_name = EmbeddingTable::Create(other_options, 3);
  const auto other_seed = EmbeddingTable::Create(options, 4);
  double mean = 0, most = 0;
  for (int64_t id = 0; id < options.rows; ++id) {
    EXPECT_EQ(table->Row(id), larger->Row(id));
    EXPECT_NE(table->Row(id), other_name->Row(id));
    EXPECT_NE(table->Row(id), other_seed->Row(id));
    for (const float number : table->Row(id)) {
      mean += number / 2000;
      most = std::max(most, std::abs(double{number}));
    }
  }
  EXPECT_NEAR(mean, 0, 0.05);
  EXPECT_LE(most, 0.5);
  EXPECT_GT(most, 0.45);
}

TEST(EmbeddingTable, IdsThatThereAreNotAreNamed) {
  const auto table = EmbeddingTable::Create({.name = "user", .rows = 100, .columns = 4}, 1);
  ASSERT_TRUE(table.ok()) << table.status();
  std::vector<uint32_t> places(3);
  ASSERT_TRUE(table->PlacesOf(std::vector<int64_t>{99, 0, 5}, places).ok());
  EXPECT_EQ(places, (std::vector<uint32_t>{99, 0, 5}));
  for (const int64_t wrong : {int64_t{100}, int64_t{-1}, int64_t{1} << 40}) {
    const absl::Status status = table->PlacesOf(std::vector<int64_t>{1, wrong, wrong}, places);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(), "embedding table user: expected ids from 0 to 99, got " +
                                    std::to_string(wrong) + " at 1");
  }
}

TEST(EmbeddingTable, SizesThatCannotBeAreRefused) {
  const auto code = [](int64_t rows, int64_t columns) {
    return EmbeddingTable::Create({.name = "t", .rows = rows, .columns = columns}, 1)
        .status()
        .code();
  };
  EXPECT_EQ(code(0, 4), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(int64_t{1} << 33, 4), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(4, 0), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(4, kMaxColumns + 1), absl::StatusCode::kInvalidArgument);
  // 192 TiB with what Adam keeps of them: more than a process can address.
  EXPECT_EQ(EmbeddingTable::Create({.name = "t",
                                    .rows = int64_t{1} << 32,
                                    .columns = kMaxColumns,
                                    .optimizer = Optimizer::kAdam},
                                   1)
                .status()
                .code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace millrace::embedding
