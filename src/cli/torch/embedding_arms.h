// What `millrace bench embedding` compares: our tables, LibTorch's, and a walk over the same rows.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/torch/embedding_batches.h"
#include "cli/torch/interleaved_arms.h"

namespace millrace {

struct EmbeddingBenchOptions {
  std::vector<int> columns = {16, 64, 128};
  int tables = 8;
  int64_t rows = 1'000'000;  // of each
  int samples = 2048;        // of a batch
  int bag = 20;              // ids of each feature of a sample
  int rounds = 16;           // of all arms, interleaved
  int threads = 1;           // of every arm
  int ranks = 0;             // above 1: steps of so many that share tables, and nothing else
};

// Sums of bags for all features: `millrace`; `embedding_bag`, at::embedding_bag table by table; and
// `gather`, which fetches rows ahead and reads one number of each of their cache lines. All on
// float32 rows in memory that huge pages may back. Each call takes the next of 16 batches.
// Errors are those of EmbeddingTable::Create().
absl::StatusOr<std::vector<BenchArm>> ForwardArms(const EmbeddingBenchOptions& options, int columns,
                                                  IdDistribution distribution);

// The same with a step of the optimiser: `millrace` by row-wise AdaGrad, `adagrad` and `sgd` by
// LibTorch's optimisers on sparse gradients.
absl::StatusOr<std::vector<BenchArm>> StepArms(const EmbeddingBenchOptions& options, int columns,
                                               IdDistribution distribution);
// Its first arm.
absl::StatusOr<std::vector<BenchArm>> OwnStepArm(const EmbeddingBenchOptions& options, int columns,
                                                 IdDistribution distribution);

}  // namespace millrace
