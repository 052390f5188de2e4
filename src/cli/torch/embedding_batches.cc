#include "cli/torch/embedding_batches.h"

#include <numeric>

#include "cli/torch/embedding_arms.h"
#include "core/zipf.h"
#include "millrace/core/rng.h"

namespace millrace {
namespace {

constexpr int kBatches = 16;

}  // namespace

std::vector<EmbeddingBatch> DrawBatches(const EmbeddingBenchOptions& options,
                                        IdDistribution distribution) {
  Rng rng(1, 1);
  const Zipf zipf(options.rows, 1.05);
  // Rows that are often drawn lie anywhere: k goes to a * k + b modulo the rows.
  const auto factor = static_cast<uint64_t>(0.618 * static_cast<double>(options.rows)) | 1;
  uint64_t coprime = factor;
  while (std::gcd(coprime, static_cast<uint64_t>(options.rows)) != 1) coprime += 2;
  std::vector<EmbeddingBatch> batches(kBatches);
  for (EmbeddingBatch& batch : batches) {
    batch.lengths.assign(static_cast<size_t>(int64_t{options.tables} * options.samples),
                         options.bag);
    batch.ids.resize(batch.lengths.size() * static_cast<size_t>(options.bag));
    const size_t of_table = batch.ids.size() / static_cast<size_t>(options.tables);
    for (size_t i = 0; i < batch.ids.size(); ++i) {
      const auto k = distribution == IdDistribution::kZipf
                         ? static_cast<uint64_t>(zipf.Draw(rng))
                         : rng.Below(static_cast<uint64_t>(options.rows));
      batch.ids[i] = static_cast<int64_t>((k * coprime + 7919 * (i / of_table)) %
                                          static_cast<uint64_t>(options.rows));
    }
  }
  return batches;
}

}  // namespace millrace
