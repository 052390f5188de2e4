// Which rank of a group has which shards of which tables.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "embedding/embedding_table.h"

namespace millrace::embedding {

// All ranks have it, and step on it alike: no bag travels, but all gradients do.
inline constexpr int kEveryRank = -1;

struct PlacedShard {
  int table = 0;
  Shard shard;
  int rank = 0;
  bool operator==(const PlacedShard&) const = default;
};

// Every table is on every rank, or cut into a grid of rows and columns: each of its cells is a
// shard. Ordered by table, row and column.
struct TablePlan {
  std::vector<PlacedShard> shards;
};

// Rows that are cut apart at a multiple of these: 1,024 buckets at most.
int64_t BucketRows(const TableOptions& table);
// Columns that a shard may begin at: blocks of squares, if the optimiser needs those.
int64_t ColumnCut(const TableOptions& table);

// Cuts a table into so many parts of rows and of columns, as even as buckets and column cuts allow
// (fewer if there are not so many), and deals the cells out to `ranks` in turn. One of each:
// table-wise; rows alone: row-wise, among the ranks of one host hierarchical; columns alone:
// column-wise; both: a grid.
void AddTable(int table, const TableOptions& options, int row_parts, int column_parts,
              std::span<const int> ranks, TablePlan& plan);
void AddReplicatedTable(int table, const TableOptions& options, TablePlan& plan);

// Every table whole, the largest first, on the rank that has least so far.
TablePlan PlanTableWise(std::span<const TableOptions> tables, int ranks);

// kInvalidArgument if shards do not make up the tables, or name ranks that there are not.
absl::Status CheckPlan(const TablePlan& plan, std::span<const TableOptions> tables, int ranks);

}  // namespace millrace::embedding
