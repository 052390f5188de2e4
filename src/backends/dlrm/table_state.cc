#include "backends/dlrm/table_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backends/dense/dense_backend.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

using embedding::ElementBytes;
using embedding::PadColumns;
using embedding::RowType;
using embedding::Shard;
using embedding::TableOptions;

// Rows and states of a table, or of a shard of one. The format of checkpoints has no numbers of 16
// bits: those are two bytes each.
struct Tensors {
  torch::Tensor rows, state;
};

int64_t ElementsOfRow(const TableOptions& table, int64_t columns) {
  return table.type == RowType::kFloat32 ? columns : columns * ElementBytes(table.type);
}

// Those of a slab.
Tensors TensorsAt(std::byte* slab, const TableOptions& table, const Shard& shard) {
  const bool whole = table.type == RowType::kFloat32;
  const int64_t row_bytes = embedding::RowBytes(table.type, shard.columns);
  const int64_t state_size = embedding::StateSize(table.optimizer, shard.columns);
  return {.rows = torch::from_blob(slab, {shard.rows, ElementsOfRow(table, shard.columns)},
                                   {whole ? row_bytes / 4 : row_bytes, 1},
                                   whole ? torch::kFloat32 : torch::kUInt8),
          .state = torch::from_blob(slab + shard.rows * row_bytes, {shard.rows, state_size})};
}

// Of a whole table; on torch::kMeta shapes alone.
Tensors EmptyTensors(const TableOptions& table, torch::Device device = torch::kCPU) {
  const auto options = torch::TensorOptions().device(device);
  return {.rows = torch::empty(
              {table.rows, ElementsOfRow(table, table.columns)},
              options.dtype(table.type == RowType::kFloat32 ? torch::kFloat32 : torch::kUInt8)),
          .state = torch::empty({table.rows, embedding::StateSize(table.optimizer, table.columns)},
                                options.dtype(torch::kFloat32))};
}

std::string RowsName(const TableOptions& table) {
  return absl::StrCat("table.", table.name, ".rows");
}
std::string StateName(const TableOptions& table) {
  return absl::StrCat("table.", table.name, ".optimizer");
}

// Pairs of what is the same in a whole table and in a shard of it.
std::vector<std::pair<torch::Tensor, torch::Tensor>> Common(const Tensors& whole,
                                                            const Tensors& part,
                                                            const TableOptions& table,
                                                            const Shard& shard) {
  const auto rows = [&](const torch::Tensor& tensor) {
    return tensor.narrow(0, shard.first_row, shard.rows);
  };
  std::vector<std::pair<torch::Tensor, torch::Tensor>> common = {
      {rows(whole.rows)
           .narrow(1, ElementsOfRow(table, shard.first_column),
                   ElementsOfRow(table, shard.columns)),
       part.rows}};
  // Numbers of every column, perhaps several times, then those of the row.
  const int64_t padded = PadColumns(table.columns), padded_part = PadColumns(shard.columns);
  int64_t at = 0, at_part = 0;
  for (; at + padded <= whole.state.size(1); at += padded, at_part += padded_part) {
    common.emplace_back(rows(whole.state).narrow(1, at + shard.first_column, padded_part),
                        part.state.narrow(1, at_part, padded_part));
  }
  const int64_t of_row = whole.state.size(1) - at;
  common.emplace_back(rows(whole.state).narrow(1, at, of_row),
                      part.state.narrow(1, at_part, of_row));
  return common;
}

// All tables, of which nothing is set yet.
std::vector<Tensors> EmptyTables(const embedding::ShardedBags& bags) {
  std::vector<Tensors> tables;
  for (const TableOptions& table : bags.options().tables) tables.push_back(EmptyTensors(table));
  return tables;
}

TableState Named(const std::vector<Tensors>& tables, const embedding::ShardedBags& bags) {
  TableState state;
  for (size_t t = 0; t < tables.size(); ++t) {
    const TableOptions& table = bags.options().tables[t];
    state[RowsName(table)] = tables[t].rows;
    if (tables[t].state.numel() > 0) state[StateName(table)] = tables[t].state;
  }
  return state;
}

void CopyIn(const embedding::ShardedBags& bags, const embedding::PlacedShard& placed,
            std::byte* slab, std::vector<Tensors>& tables) {
  const auto t = static_cast<size_t>(placed.table);
  const TableOptions& table = bags.options().tables[t];
  const Tensors part = TensorsAt(slab, table, placed.shard);
  for (auto& [whole, of_part] : Common(tables[t], part, table, placed.shard)) whole.copy_(of_part);
}

// Bytes that are sent at once: no operation of a group takes long.
constexpr int64_t kPiece = 16 << 20;

// From rank `from` to rank 0, where they go to `received`; nothing elsewhere.
absl::Status SendToLeader(std::byte* bytes, int64_t count, int from, std::byte* received,
                          Collectives& group) {
  for (int64_t begin = 0; begin < count; begin += kPiece) {
    const int64_t piece = std::min(kPiece, count - begin);
    const auto none = [] { return torch::empty({0}, torch::kUInt8); };
    std::vector<torch::Tensor> to, arrives;
    for (int rank = 0; rank < group.size(); ++rank) {
      to.push_back(none());
      arrives.push_back(none());
    }
    if (group.rank() == from) to[0] = torch::from_blob(bytes + begin, {piece}, torch::kUInt8);
    if (group.rank() == 0) {
      arrives[static_cast<size_t>(from)] =
          torch::from_blob(received + begin, {piece}, torch::kUInt8);
    }
    MILLRACE_RETURN_IF_ERROR(group.AllToAll(to, arrives));
  }
  return absl::OkStatus();
}

}  // namespace

TableState CopyTables(const embedding::ShardedBags& bags) {
  const torch::NoGradGuard no_gradient;
  std::vector<Tensors> tables = EmptyTables(bags);
  for (size_t i = 0; i < bags.shards().size(); ++i) {
    CopyIn(bags, bags.placed(i), bags.shards()[i].rows().data, tables);
  }
  return Named(tables, bags);
}

absl::StatusOr<TableState> GatherTables(const embedding::ShardedBags& bags, Collectives& group) {
  const torch::NoGradGuard no_gradient;
  const bool leader = group.rank() == 0;
  std::vector<Tensors> tables;
  if (leader) tables = EmptyTables(bags);
  size_t own = 0;
  for (const embedding::PlacedShard& placed : bags.options().plan.shards) {
    const bool everywhere = placed.rank == embedding::kEveryRank;
    const bool here = everywhere || placed.rank == group.rank();
    std::byte* slab = here ? bags.shards()[own++].rows().data : nullptr;
    torch::Tensor received;
    if (!everywhere && placed.rank != 0) {
      const auto& table = bags.options().tables[static_cast<size_t>(placed.table)];
      const int64_t bytes = SlabBytes(table, placed.shard);
      received = torch::empty({leader ? bytes : 0}, torch::kUInt8);
      auto* const arrives = static_cast<std::byte*>(received.data_ptr());
      MILLRACE_RETURN_IF_ERROR(SendToLeader(slab, bytes, placed.rank, arrives, group));
      if (leader) slab = arrives;
    }
    if (leader) CopyIn(bags, placed, slab, tables);
  }
  return leader ? Named(tables, bags) : TableState();
}

absl::Status LoadTables(const TableState& state, const embedding::ShardedBags& bags) {
  const torch::NoGradGuard no_gradient;
  std::vector<Tensors> tables;
  for (const TableOptions& table : bags.options().tables) {
    const Tensors expected = EmptyTensors(table, torch::kMeta);
    MILLRACE_RETURN_IF_ERROR(CheckState(RowsName(table), expected.rows, state));
    tables.push_back({.rows = state.at(RowsName(table)), .state = torch::empty({table.rows, 0})});
    if (expected.state.numel() == 0) continue;
    MILLRACE_RETURN_IF_ERROR(CheckState(StateName(table), expected.state, state));
    tables.back().state = state.at(StateName(table));
  }
  for (size_t i = 0; i < bags.shards().size(); ++i) {
    const embedding::PlacedShard& placed = bags.placed(i);
    const auto t = static_cast<size_t>(placed.table);
    const TableOptions& table = bags.options().tables[t];
    const Tensors part = TensorsAt(bags.shards()[i].rows().data, table, placed.shard);
    for (auto& [whole, of_part] : Common(tables[t], part, table, placed.shard)) {
      of_part.copy_(whole);
    }
  }
  return absl::OkStatus();
}

}  // namespace millrace
