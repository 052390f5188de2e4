// Writes checkpoints on its own thread, so that training never waits for a disk.
#pragma once

#include <functional>
#include <optional>
#include <thread>

#include "checkpoint/checkpoint_store.h"
#include "core/mutex.h"
#include "data/ledger.h"

namespace millrace {

// Thread-safe. Encoding happens on the writer's thread too: the caller hands over a copy of the
// state in a function. A request that has not been started when the next one comes is replaced by
// it. A full disk is reported and training goes on.
class CheckpointWriter {
 public:
  using Encode = std::function<absl::StatusOr<Checkpoint>()>;

  CheckpointWriter(CheckpointStore store, int keep, Ledger* ledger);
  ~CheckpointWriter();

  void Request(Encode encode) ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits until everything requested is written. kDeadlineExceeded; otherwise the last write's
  // status.
  absl::Status Finish(Deadline deadline) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run(const std::stop_token& stop);

  CheckpointStore store_;
  const int keep_;
  Ledger* const ledger_;
  Mutex mutex_;
  CondVar changed_;
  std::optional<Encode> next_ ABSL_GUARDED_BY(mutex_);
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status last_ ABSL_GUARDED_BY(mutex_);
  std::jthread thread_;
};

}  // namespace millrace
