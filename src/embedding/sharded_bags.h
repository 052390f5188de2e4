// Bags of rows of tables that the ranks of a group share: Mudigere et al. 2021 (arXiv:2104.05158).
//
// Every rank has samples of its own. A batch goes like this:
//
//   SetBatch   ids       ->  whoever has the rows: places in its shards
//   Forward    bags      <-  of tables of which a rank has all rows: pooled there
//              rows      <-  of tables cut into rows: pooled here, in the order of the ids
//   Update     gradients ->  of the bags, to whoever has rows of them: one step on every row
//
// The samples of rank 0 come first, then those of rank 1, and so on; sums are in that order. So
// bags, rows and states have the same bits as if one rank had all samples and all tables, however
// the tables are cut.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collectives/byte_exchange.h"
#include "embedding/embedding_bags.h"
#include "embedding/table_plan.h"
#include "embedding/wire_numbers.h"

namespace millrace::embedding {

// Bound to one thread, for which others work.
class ShardedBags {
 public:
  struct Options {
    std::vector<TableOptions> tables;
    std::vector<Feature> features;
    TablePlan plan;
    int rank = 0;
    int ranks = 1;
    uint64_t seed = 0;
    int threads = 1;
    // What bags, or rows, and gradients are on their way, also to this rank. Of 16 bits, and of
    // whole tables, results are still the same for any number of ranks.
    WireType bags = WireType::kFloat32, gradients = WireType::kFloat32;
  };

  // kInvalidArgument: a plan or features that do not fit the tables. kResourceExhausted.
  static absl::StatusOr<std::unique_ptr<ShardedBags>> Create(Options options);

  // Floats of a sample's features side by side, each padded to PadColumns().
  int64_t width() const { return width_; }
  int64_t offset(int64_t feature) const { return offsets_[static_cast<size_t>(feature)]; }
  const Options& options() const { return options_; }

  // All ranks call these alike, each with the samples that it has, perhaps none. kUnavailable: a
  // peer is lost.

  // The batch of what follows; nothing of it is kept. kInvalidArgument names the feature and what
  // is wrong with it, before anything is sent: the others wait until this rank leaves the group,
  // and must not be asked again.
  absl::Status SetBatch(const JaggedIds& batch, ByteExchange& group);
  // out [own samples, width()].
  absl::Status Forward(float* out, ByteExchange& group);
  // From the gradients of Forward()'s result: steps on all rows of the batch (EmbeddingBags).
  absl::Status Update(const float* gradients, const UpdateStep& step, ByteExchange& group);

  // What this rank has: a table for each of its shards, in the order of the plan.
  const std::vector<EmbeddingTable>& shards() const { return bags_->tables(); }
  const PlacedShard& placed(size_t shard) const { return options_.plan.shards[own_[shard]]; }

 private:
  // A feature's lookups in one shard.
  struct Served {
    int64_t feature;
    size_t shard;  // of the plan
  };
  // What a rank serves: features of shards with all rows, then of shards with some, then of
  // replicated ones.
  struct Service {
    std::vector<Served> served;
    int64_t whole = 0, partial = 0;  // how many are of the first two kinds
    int64_t whole_width = 0, width = 0;
  };

  // Shards of the plan that have the same rows, of which this rank has one or more, in the order of
  // their columns.
  struct SharedRows {
    size_t begin, end = 0;
    size_t own = 0;               // the first of this rank
    std::set<size_t> ranks = {};  // that have some
  };

  explicit ShardedBags(Options options);
  // Of those whose optimiser needs the squares of all columns.
  void FindSharedRows();
  // Where a shard of the plan that this rank has is among own_.
  size_t OwnShard(size_t shard) const;
  absl::Status SetUpTables();
  Service ServiceOf(int rank) const;
  const PlacedShard& ShardOf(const Served& served) const {
    return options_.plan.shards[served.shard];
  }
  // Columns of a shard, padded.
  int64_t WidthOf(const Served& served) const { return PadColumns(ShardOf(served).shard.columns); }
  // Where a served feature's columns are in a sample's floats.
  int64_t OffsetOf(const Served& served) const {
    return offset(served.feature) + ShardOf(served).shard.first_column;
  }
  bool any_partial() const;

  absl::Status Check(const JaggedIds& batch) const;
  // Lengths and places of what a rank serves of this rank's samples.
  // `first_ids`: where those of each feature begin.
  void WriteLookups(const JaggedIds& batch, std::span<const int64_t> first_ids,
                    const Service& service, std::vector<uint32_t>& message);
  void TakeLookups(const std::vector<std::vector<uint32_t>>& messages);
  absl::Status ExchangeWhole(float* out, ByteExchange& group);
  absl::Status ExchangeRows(float* out, ByteExchange& group);
  void PoolRows(const std::vector<std::vector<float>>& received, float* out);
  void CopyReplicated(float* out);
  absl::StatusOr<std::vector<std::vector<float>>> ExchangeSquares(ByteExchange& group);

  const Options options_;
  std::vector<int64_t> offsets_;  // of features in a sample's floats
  int64_t width_ = 0;
  std::vector<Service> services_;  // of each rank
  std::vector<size_t> own_;        // shards of the plan that this rank has, in order
  std::vector<SharedRows> shared_rows_;
  bool any_squares_ = false;             // whether any ranks share rows
  std::unique_ptr<EmbeddingBags> bags_;  // of those, with the features that this rank serves
  // Of the batch. Own samples:
  int64_t samples_ = 0;
  std::vector<int32_t> lengths_;  // [features, samples]
  std::vector<int64_t> ids_;
  std::vector<std::vector<int64_t>> asked_;  // [rank][served]: lookups
  // Of all samples: where those of each rank begin, and the end.
  std::vector<int64_t> first_samples_;
  std::vector<float> whole_, gradients_, scaled_;
  // Messages by rank, and lookups in the order of features: memory that is kept.
  std::vector<std::vector<uint32_t>> sent_lookups_, received_lookups_;
  std::vector<std::vector<float>> sent_, received_;
  NumberExchange numbers_;
  std::vector<int32_t> all_lengths_;
  std::vector<uint32_t> all_places_;
};

}  // namespace millrace::embedding
