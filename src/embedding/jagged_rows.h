// Ids that come sample by sample, brought into the order of features.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "embedding/jagged_ids.h"

namespace millrace::embedding {

// Keeps its memory from batch to batch. Thread-compatible.
class JaggedRows {
 public:
  // ids [samples, capacity]: of each sample those of the first feature first; counts [samples,
  // features]: how many each feature has. `used`: which of the features the batch has.
  // kInvalidArgument if a count is negative or a sample has more than `capacity`.
  absl::Status Set(std::span<const int64_t> ids, std::span<const int32_t> counts, int64_t samples,
                   const std::vector<bool>& used);
  // All of them.
  absl::Status Set(std::span<const int64_t> ids, std::span<const int32_t> counts, int64_t samples,
                   int64_t features) {
    return Set(ids, counts, samples, std::vector<bool>(static_cast<size_t>(features), true));
  }
  // Valid until the next Set().
  JaggedIds batch() const { return {lengths_, ids_, samples_}; }

 private:
  int64_t samples_ = 0;
  std::vector<int32_t> lengths_;
  std::vector<int64_t> ids_;
  std::vector<int64_t> next_;  // of every feature of the batch: where its next id goes
};

}  // namespace millrace::embedding
