// Bags of rows of several tables, and exact steps of their optimiser: Mudigere et al. 2021
// (arXiv:2104.05158).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/thread_team.h"
#include "embedding/embedding_table.h"
#include "embedding/jagged_ids.h"
#include "embedding/lookup_sort.h"

namespace millrace::embedding {

// What a list of ids of a sample means.
struct Feature {
  std::string name;
  int table = 0;  // of several features, perhaps
  Pooling pooling = Pooling::kSum;
};

// Of one process. Results do not depend on the number of threads. Bound to one thread, for which
// others work.
class EmbeddingBags {
 public:
  // kInvalidArgument if a feature names a table that there is not.
  static absl::StatusOr<std::unique_ptr<EmbeddingBags>> Create(std::vector<EmbeddingTable> tables,
                                                               std::vector<Feature> features,
                                                               int threads);

  // Floats of a sample's features side by side, each padded to PadColumns().
  int64_t width() const { return width_; }
  int64_t offset(int64_t feature) const { return offsets_[static_cast<size_t>(feature)]; }
  const std::vector<EmbeddingTable>& tables() const { return tables_; }
  const std::vector<Feature>& features() const { return features_; }

  // The batch of what follows; nothing of it is kept. kInvalidArgument names the feature and what
  // is wrong with it: numbers of lengths or ids, negative lengths, ids that there are not; there is
  // then an empty one.
  absl::Status SetBatch(const JaggedIds& batch);
  // out [samples, width()].
  void Forward(float* out);
  // From the gradients of Forward()'s result: steps on every row of the batch. `step` says how;
  // each table has its own optimiser.
  void Update(const float* gradients, const UpdateStep& step);

 private:
  EmbeddingBags(std::vector<EmbeddingTable> tables, std::vector<Feature> features, int threads);

  absl::Status Check(const JaggedIds& batch) const;
  // Sorts the lookups of a table by all of its features.
  void SortLookups(size_t table);
  // Parts of a table's sorted lookups, none of which shares a row with another.
  struct Part {
    size_t table;
    std::span<const Lookup> lookups;
  };
  std::vector<Part> Parts() const;
  // Gradients of bags whose rows were averaged, as those of sums.
  const float* SumGradients(const float* gradients);

  std::vector<EmbeddingTable> tables_;
  const std::vector<Feature> features_;
  std::vector<int64_t> offsets_;  // of features in a sample's floats
  int64_t width_ = 0;
  ThreadTeam team_;
  // Of the batch.
  int64_t samples_ = 0;
  std::vector<int32_t> lengths_;       // [features, samples]
  std::vector<uint32_t> places_;       // of all ids
  std::vector<int64_t> first_places_;  // [features + 1]: where a feature's begin
  // Of the last Update().
  std::vector<float> scaled_;
  struct TableLookups {
    std::vector<Lookup> all;
    LookupSort sort;
    std::span<const Lookup> sorted;
  };
  std::vector<TableLookups> lookups_;  // of each table
};

}  // namespace millrace::embedding
