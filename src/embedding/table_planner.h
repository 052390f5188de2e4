// Which rank should have which parts of which tables: Mudigere et al. 2021 (arXiv:2104.05158).
//
// What a step costs every rank is predicted from what a lookup and a byte cost. Tables that cost
// more than some part of an even share are cut, into columns or rows, whichever makes the step's
// work least; then all parts are dealt out, the dearest first, to the rank that has least so far
// and has room. Several sizes of such parts are tried, and the plan of the shortest step is taken:
// cutting is what evens the load out, how the parts are dealt out hardly matters.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "embedding/table_plan.h"

namespace millrace::embedding {

// Seconds of one lookup: `lookup`, and `byte` for each byte of the row in the fastest memory.
struct LookupCost {
  double lookup = 0, byte = 0;
};

// What steps ask of a table.
struct TableLoad {
  TableOptions table;
  double lookups = 1;  // of a sample, on average
  LookupCost forward = {}, update = {};
};

// A rank's memory for tables, of one kind. Rows that are looked up most often are in the first.
struct MemoryTier {
  std::string name = "memory";
  int64_t bytes = 0;
  double slowdown = 1;  // a byte takes so many times as long as in the first
};

// What ranks cost each other, in seconds.
struct ExchangeCost {
  double id = 0;       // an id: where its sample is, and where its row is
  double other = 0;    // an id, where its sample is, for every shard of its table without its row
  double byte = 0;     // a byte of bags, rows or gradients: once where it is sent, once received
  double latency = 0;  // an exchange of nothing
};

// What a core of a server takes, by and large, and shared memory between ranks: where nobody has
// measured.
TableLoad TypicalLoad(const TableOptions& table, double lookups);
inline constexpr ExchangeCost kTypicalExchange = {
    .id = 3e-9, .other = 1e-9, .byte = 0.25e-9, .latency = 5e-6};
inline constexpr int64_t kTypicalSamples = 8192;

struct PlannerOptions {
  int ranks = 1;
  int64_t samples = 1;  // of a step, all ranks together
  std::vector<MemoryTier> tiers;
  ExchangeCost exchange = {};
  double wire_bytes = 4;  // of a number of a bag, row or gradient
};

// What a step asks of a rank.
struct RankLoad {
  int shards = 0;
  std::vector<int64_t> tier_bytes;  // of tables, by tier
  // Seconds.
  double ids = 0, forward = 0, bags = 0, gradients = 0, update = 0;
  double seconds() const { return ids + forward + bags + gradients + update; }
};

struct PredictedStep {
  std::vector<RankLoad> ranks;
  // Ranks wait for each other between the parts of a step: this is the sum, over its parts, of what
  // they take whoever takes longest.
  double seconds = 0;
  // What the busiest rank works against the mean.
  double imbalance = 1;
};

// Of a plan that CheckPlan() accepts. More than fits is taken to be in the last tier.
PredictedStep PredictStep(const TablePlan& plan, std::span<const TableLoad> loads,
                          const PlannerOptions& options);

// No rank has more than fits into its tiers. kResourceExhausted: tables do not fit.
absl::StatusOr<TablePlan> PlanTables(std::span<const TableLoad> loads,
                                     const PlannerOptions& options);

}  // namespace millrace::embedding
