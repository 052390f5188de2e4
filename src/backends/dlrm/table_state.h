// Embedding tables as tensors of a checkpoint: whole ones, whatever shards they are in.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "embedding/sharded_bags.h"
#include "millrace/backends/backend.h"
#include "millrace/models/torch.h"

namespace millrace {

// table.NAME.rows [rows, columns], of 16 bits as their bytes, and table.NAME.optimizer [rows,
// numbers of a row], if there are any.
using TableState = std::map<std::string, torch::Tensor>;

// Copies of the shards that this process has, in whole tables of which the rest is anything.
TableState CopyTables(const embedding::ShardedBags& bags);
// The same at rank 0 of a group, which the others send their shards to; empty at those.
// kUnavailable.
absl::StatusOr<TableState> GatherTables(const embedding::ShardedBags& bags, Collectives& group);
// Sets the shards that this process has. kInvalidArgument, before anything is set: a tensor that is
// missing or of another shape.
absl::Status LoadTables(const TableState& state, const embedding::ShardedBags& bags);

}  // namespace millrace
