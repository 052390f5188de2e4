// Ranks that share embedding tables, as threads of this process: what plans are measured with.
#pragma once

#include <atomic>
#include <barrier>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/torch/embedding_batches.h"
#include "embedding/sharded_bags.h"
#include "millrace/backends/backend.h"

namespace millrace {

using JoinGroup = std::function<absl::StatusOr<std::unique_ptr<Collectives>>(int rank)>;
// Over shared memory; for one group.
JoinGroup OverSharedMemory(int ranks);

// Bound to one thread.
class TableRanks {
 public:
  // What ranks agree on.
  struct Options {
    std::vector<embedding::TableOptions> tables = {};
    std::vector<embedding::Feature> features = {};
    embedding::TablePlan plan = {};
    int ranks = 1;
    int threads = 1;  // of each
    embedding::WireType bags = embedding::WireType::kFloat32;
    embedding::WireType gradients = embedding::WireType::kFloat32;
  };
  // What the parts of a step took whoever took longest.
  struct Seconds {
    double ids = 0, forward = 0, update = 0;
    double total() const { return ids + forward + update; }
  };

  // `batches` are those of all ranks together: each has its share of the samples. Errors are those
  // of ShardedBags::Create() and of joining.
  static absl::StatusOr<std::unique_ptr<TableRanks>> Create(
      const Options& options, const std::vector<EmbeddingBatch>& batches, const JoinGroup& join);
  ~TableRanks();

  // All ranks take their part of the next batch. kUnavailable.
  absl::StatusOr<Seconds> Step();

 private:
  class Rank;

  explicit TableRanks(int ranks);
  absl::Status status() const;

  std::vector<absl::Status> statuses_;
  std::vector<Seconds> seconds_;  // of the last step, of each rank
  std::barrier<> turn_;
  std::atomic<bool> ended_ = false;
  std::vector<std::jthread> threads_;  // last: they use everything above
};

}  // namespace millrace
