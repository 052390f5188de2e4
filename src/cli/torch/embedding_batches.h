// Batches of ids for benchmarks of embedding tables.
#pragma once

#include <cstdint>
#include <vector>

namespace millrace {

struct EmbeddingBenchOptions;

// How ids are drawn: every row as likely as any other, or the k-th with a weight of k^-1.05, in an
// order of its own for each table.
enum class IdDistribution { kUniform, kZipf };

struct EmbeddingBatch {
  std::vector<int32_t> lengths;
  std::vector<int64_t> ids;  // [tables, samples, bag]
};

// 16 batches, whose rows together do not fit into caches.
std::vector<EmbeddingBatch> DrawBatches(const EmbeddingBenchOptions& options,
                                        IdDistribution distribution);

}  // namespace millrace
