// What steps on the tables of an experiment cost, for `millrace plan`.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/torch/embedding_batches.h"
#include "config/experiment.h"
#include "embedding/table_planner.h"
#include "millrace/data/dataset.h"
#include "models/table_policy.h"

namespace millrace {

// What samples ask of tables.
struct SampledLookups {
  std::vector<EmbeddingBatch> batches = {};  // of all ranks together, of a model's features
  int64_t samples = 0;                       // of each
  std::vector<int> tables = {};              // of each feature
  std::vector<double> lookups = {};          // of each table: ids of a sample
  std::vector<double> distinct = {};         // of each table: rows that a batch names, to its ids
};
// The first batches of the dataset, of `samples` each, or of fewer if those have very many ids.
absl::StatusOr<SampledLookups> SampleLookups(Dataset& dataset, const TablePolicy& policy,
                                             int64_t samples);

int64_t MemoryBytes();  // of this machine

struct StepCosts {
  std::vector<embedding::TableLoad> loads;
  embedding::PlannerOptions options;
};

// Of this machine: `ranks` processes of so many threads that share its cores and memory. Of a table
// so many rows are measured as fit into its even share of a quarter of the memory; the exchange
// over shared memory.
absl::StatusOr<StepCosts> MeasureCosts(std::span<const embedding::TableOptions> tables,
                                       const SampledLookups& sampled, int ranks, int threads,
                                       int64_t samples);

// Of hardware that an experiment describes. A lookup reads a row; the update reads and writes every
// row of a batch once. kInvalidArgument: trainers that its hosts cannot share evenly.
absl::StatusOr<StepCosts> CostsOf(const HardwareConfig& hardware,
                                  std::span<const embedding::TableOptions> tables,
                                  const SampledLookups& sampled, int ranks, int64_t samples);

}  // namespace millrace
