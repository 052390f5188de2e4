// The batches of one train step: the newest and, if samples are used more than once, the ones
// before it (workers.trainer.sample_reuse, docs/decisions/0018-samples-used-again.md).
#pragma once

#include <cstdint>
#include <deque>

#include "millrace/models/policy.h"
#include "workers/trainer/sample_batch.h"

namespace millrace {

// The fields of a batch as tensors over its own memory. Every field has its rows in dimension 1:
// `version`, one per segment and step in the batch, is repeated for each row.
TensorDict TensorsOver(const SampleBatch& batch);

// Keeps the fields of the newest `capacity` batches of one rank. Thread-compatible.
class BatchMemory {
 public:
  // capacity >= 1
  explicit BatchMemory(int capacity) : capacity_(static_cast<size_t>(capacity)) {}

  // Takes the fields of `batch`, which keeps its segments, and forgets the oldest batch if there
  // are too many.
  void Add(SampleBatch& batch);
  // The fields of all batches side by side along their rows, the newest batch first: a copy.
  TensorDict SideBySide() const;
  void Clear() { batches_.clear(); }

  size_t size() const { return batches_.size(); }
  size_t capacity() const { return capacity_; }

 private:
  const size_t capacity_;
  std::deque<SampleBatch> batches_;  // without segments; newest first
};

}  // namespace millrace
