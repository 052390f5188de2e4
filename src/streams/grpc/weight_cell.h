// The newest version of one policy, between threads.
#pragma once

#include <utility>

#include "core/mutex.h"
#include "streams/weight_blob.h"

namespace millrace {

// Thread-safe. Close() wakes all waiters.
class WeightCell {
 public:
  // Replaces what is held if `blob` is newer. kFailedPrecondition if its epoch is older than what
  // is held. The value says whether it was replaced.
  absl::StatusOr<bool> Offer(const WeightSpec& spec, WeightBlobPtr blob) {
    MutexLock lock(mutex_);
    if (newest_ != nullptr && blob->version.epoch < newest_->version.epoch) {
      return FencedError(spec, blob->version, newest_->version.epoch);
    }
    if (newest_ != nullptr && blob->version <= newest_->version) return false;
    newest_ = std::move(blob);
    changed_.NotifyAll();
    return true;
  }

  WeightBlobPtr newest() const {
    MutexLock lock(mutex_);
    return newest_;
  }
  WeightVersion version() const {
    MutexLock lock(mutex_);
    return newest_ == nullptr ? WeightVersion{} : newest_->version;
  }

  // Something newer than `have`; null at the deadline or when closed.
  WeightBlobPtr WaitNewer(WeightVersion have, Deadline deadline) {
    MutexLock lock(mutex_);
    while (!closed_ && (newest_ == nullptr || newest_->version <= have)) {
      if (!changed_.WaitUntil(lock, deadline) && Expired(deadline)) break;
    }
    return !closed_ && newest_ != nullptr && newest_->version > have ? newest_ : nullptr;
  }

  void Close() {
    MutexLock lock(mutex_);
    closed_ = true;
    changed_.NotifyAll();
  }
  bool closed() const {
    MutexLock lock(mutex_);
    return closed_;
  }

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  WeightBlobPtr newest_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace millrace
