#include "embedding/table_plan.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "absl/strings/str_cat.h"

namespace millrace::embedding {
namespace {

constexpr int64_t kMostBuckets = 1024;

// Where parts of `size` begin, and its end: at multiples of `unit`, as even as those allow.
std::vector<int64_t> Cuts(int64_t size, int64_t unit, int parts) {
  const int64_t units = (size + unit - 1) / unit;
  const int64_t count = std::clamp<int64_t>(parts, 1, units);
  std::vector<int64_t> cuts;
  for (int64_t i = 0; i < count; ++i) cuts.push_back(units * i / count * unit);
  cuts.push_back(size);
  return cuts;
}

absl::Status Wrong(const TableOptions& table, const char* what) {
  return absl::InvalidArgumentError(absl::StrCat("table plan: table ", table.name, ": ", what));
}

// The shards of one table.
absl::Status CheckTable(std::span<const PlacedShard> shards, const TableOptions& table) {
  if (shards.empty()) return Wrong(table, "nobody has it");
  const bool replicated = std::ranges::count(shards, kEveryRank, &PlacedShard::rank) > 0;
  if (replicated && (shards.size() > 1 || shards.front().shard != Shard::Whole(table))) {
    return Wrong(table, "every rank has a shard of it that is not the whole");
  }
  int64_t row = 0, column = 0, rows = 0;
  for (const PlacedShard& placed : shards) {
    const Shard& shard = placed.shard;
    if (column == 0) rows = shard.rows;
    if (shard.first_row != row || shard.rows != rows || shard.first_column != column ||
        shard.columns < 1 || shard.rows < 1) {
      return Wrong(table, "shards that overlap, leave a gap, or are in another order");
    }
    if (column % ColumnCut(table) != 0) return Wrong(table, "columns cut where they cannot be");
    column += shard.columns;
    if (column < table.columns) continue;
    if (column > table.columns) return Wrong(table, "more columns than it has");
    column = 0;
    row += shard.rows;
  }
  return row == table.rows && column == 0 ? absl::OkStatus() : Wrong(table, "parts are missing");
}

}  // namespace

int64_t BucketRows(const TableOptions& table) {
  const auto least = static_cast<uint64_t>((table.rows + kMostBuckets - 1) / kMostBuckets);
  return static_cast<int64_t>(std::bit_ceil(least));
}

int64_t ColumnCut(const TableOptions& table) {
  return table.rowwise() ? kSquareColumns : kColumnUnit;
}

void AddTable(int table, const TableOptions& options, int row_parts, int column_parts,
              std::span<const int> ranks, TablePlan& plan) {
  const auto rows = Cuts(options.rows, BucketRows(options), row_parts);
  const auto columns = Cuts(options.columns, ColumnCut(options), column_parts);
  size_t next = 0;
  for (size_t r = 0; r + 1 < rows.size(); ++r) {
    for (size_t c = 0; c + 1 < columns.size(); ++c, ++next) {
      plan.shards.push_back({.table = table,
                             .shard = {.first_row = rows[r],
                                       .rows = rows[r + 1] - rows[r],
                                       .first_column = columns[c],
                                       .columns = columns[c + 1] - columns[c]},
                             .rank = ranks[next % ranks.size()]});
    }
  }
}

void AddReplicatedTable(int table, const TableOptions& options, TablePlan& plan) {
  plan.shards.push_back({table, Shard::Whole(options), kEveryRank});
}

TablePlan PlanTableWise(std::span<const TableOptions> tables, int ranks) {
  std::vector<size_t> largest_first(tables.size());
  std::iota(largest_first.begin(), largest_first.end(), size_t{0});
  const auto bytes = [&](size_t t) { return SlabBytes(tables[t], Shard::Whole(tables[t])); };
  std::ranges::stable_sort(largest_first, std::greater(), bytes);
  std::vector<int64_t> used(static_cast<size_t>(ranks));
  std::vector<int> rank_of(tables.size());
  for (const size_t t : largest_first) {
    const auto least = std::ranges::min_element(used);
    *least += bytes(t);
    rank_of[t] = static_cast<int>(least - used.begin());
  }
  TablePlan plan;
  for (size_t t = 0; t < tables.size(); ++t) {
    AddTable(static_cast<int>(t), tables[t], 1, 1, {&rank_of[t], 1}, plan);
  }
  return plan;
}

absl::Status CheckPlan(const TablePlan& plan, std::span<const TableOptions> tables, int ranks) {
  for (const PlacedShard& placed : plan.shards) {
    if (placed.rank >= kEveryRank && placed.rank < ranks && placed.table >= 0 &&
        placed.table < std::ssize(tables)) {
      continue;
    }
    return absl::InvalidArgumentError(absl::StrCat("table plan: a shard of table ", placed.table,
                                                   " of ", tables.size(), " on rank ", placed.rank,
                                                   " of ", ranks));
  }
  size_t begin = 0;
  for (size_t t = 0; t < tables.size(); ++t) {
    size_t end = begin;
    while (end < plan.shards.size() && plan.shards[end].table == static_cast<int>(t)) ++end;
    const auto status = CheckTable(std::span(plan.shards).subspan(begin, end - begin), tables[t]);
    if (!status.ok()) return status;
    begin = end;
  }
  if (begin == plan.shards.size()) return absl::OkStatus();
  return absl::InvalidArgumentError("table plan: shards are not in the order of their tables");
}

}  // namespace millrace::embedding
