// How the ranks of a trainer group share tables, as an experiment says it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "embedding/table_plan.h"

namespace millrace {

// kPlanned: by embedding::PlanTables(), with TypicalLoad().
enum class Sharding : uint8_t { kTableWise, kRowWise, kColumnWise, kReplicated, kPlanned };
// The names, in the order of the enumerators.
inline const std::vector<std::string> kShardings = {"table_wise", "row_wise", "column_wise",
                                                    "replicated", "planned"};

// The same at all ranks. `lookups`: ids of a sample, of each table.
absl::StatusOr<embedding::TablePlan> MakeTablePlan(Sharding sharding,
                                                   std::span<const embedding::TableOptions> tables,
                                                   std::span<const double> lookups, int ranks);

// A plan as a file that people can read and change (docs/dlrm.md), JSON:
//   {"ranks": 2, "tables": [{"name": "item", "row_parts": 2, "column_parts": 1, "ranks": [0, 1]}]}
// A table that every rank has: "replicated": true in place of its parts and ranks.
absl::Status WriteTablePlan(const embedding::TablePlan& plan,
                            std::span<const embedding::TableOptions> tables, int ranks,
                            const std::string& file);
// kInvalidArgument names the file and what is wrong: tables and ranks must be those it was made
// for.
absl::StatusOr<embedding::TablePlan> ReadTablePlan(const std::string& file,
                                                   std::span<const embedding::TableOptions> tables,
                                                   int ranks);

}  // namespace millrace
