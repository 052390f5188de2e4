// Embedding tables that ranks share, for `millrace bench embedding --ranks`.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/torch/embedding_arms.h"

namespace millrace {

// A step as of StepArms(), of one rank; then of options.ranks ranks that share samples and tables
// (table-wise), each on a thread of its own: over shared memory and over Gloo. Errors are those of
// EmbeddingTable::Create() and of joining a group.
absl::StatusOr<std::vector<BenchArm>> SharedStepArms(const EmbeddingBenchOptions& options,
                                                     int columns, IdDistribution distribution);

}  // namespace millrace
