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

// kInvalidArgument names the feature and what is wrong with it: numbers of lengths or ids, negative
// lengths.
absl::Status CheckLengths(const JaggedIds& batch, std::span<const Feature> features);
// kInvalidArgument if a feature names a table that there is not.
absl::Status CheckTables(std::span<const Feature> features, int64_t tables);
// Divides what belongs to bags whose rows are averaged by their lengths [features, samples].
// numbers [samples, width]: features side by side, from these offsets on.
void DivideMeans(std::span<const Feature> features, std::span<const int64_t> offsets, int64_t width,
                 std::span<const int32_t> lengths, int64_t samples, float* numbers);

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
  // The same of places that are known to be there: lengths [features, samples].
  void SetPlaces(std::span<const int32_t> lengths, std::span<const uint32_t> places,
                 int64_t samples);
  // out [samples, width()].
  void Forward(float* out) { Forward({0, std::ssize(features_)}, {0, samples_}, out, width_); }
  // Of some features and samples alone: `stride` floats from one sample to the next.
  struct Range {
    int64_t begin, end;
  };
  void Forward(Range features, Range samples, float* out, int64_t stride);
  // The rows that some samples look up of a feature, one after another, padded.
  void Gather(int64_t feature, Range samples, float* rows);
  // How many those are.
  int64_t Lookups(int64_t feature, Range samples) const;
  // From the gradients of Forward()'s result: steps on every row of the batch. `step` says how;
  // each table has its own optimiser. `squares`, by table: of every row of the batch, in order, the
  // sum of squares of the gradient over all columns of a table of which there are some here
  // (KernelSet::update); empty for other tables, or for all.
  void Update(const float* gradients, const UpdateStep& step,
              std::span<const std::vector<float>> squares = {});
  // [rows of the batch, SquareBlocks()]: those sums, of each block of the columns that are here.
  std::vector<float> Squares(size_t table, const float* gradients);

 private:
  EmbeddingBags(std::vector<EmbeddingTable> tables, std::vector<Feature> features, int threads);

  // Sorts the lookups of all tables, of each those by all of its features.
  void SortLookups();
  void SortLookups(size_t table);
  int64_t FirstLookup(int64_t feature, int64_t sample) const;
  // Parts of a table's sorted lookups, none of which shares a row with another.
  struct Part {
    size_t table;
    std::span<const Lookup> lookups;
    size_t first_row;  // how many rows those before it have
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
  bool sorted_ = false;
  std::vector<TableLookups> lookups_;  // of each table
};

}  // namespace millrace::embedding
