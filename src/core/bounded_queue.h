// Bounded FIFO between threads of one process.
#pragma once

#include <cstddef>
#include <deque>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/mutex.h"

namespace millrace {

// Thread-safe. Close() wakes both sides: pushes fail at once, pops drain what is left and then
// fail.
//   kDeadlineExceeded  still full (or empty) at the deadline
//   kCancelled         the queue is closed
template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}

  absl::Status Push(T item, Deadline deadline) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    while (!closed_ && items_.size() >= capacity_) {
      if (!not_full_.WaitUntil(lock, deadline) && items_.size() >= capacity_ && !closed_) {
        return absl::DeadlineExceededError("queue is still full");
      }
    }
    if (closed_) return absl::CancelledError("queue is closed");
    items_.push_back(std::move(item));
    not_empty_.NotifyOne();
    return absl::OkStatus();
  }

  absl::StatusOr<T> Pop(Deadline deadline) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    while (!closed_ && items_.empty()) {
      if (!not_empty_.WaitUntil(lock, deadline) && items_.empty() && !closed_) {
        return absl::DeadlineExceededError("queue is still empty");
      }
    }
    if (items_.empty()) return absl::CancelledError("queue is closed");
    T item = std::move(items_.front());
    items_.pop_front();
    not_full_.NotifyOne();
    return item;
  }

  void Close() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    closed_ = true;
    not_full_.NotifyAll();
    not_empty_.NotifyAll();
  }

  size_t size() const ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return items_.size();
  }

 private:
  const size_t capacity_;
  mutable Mutex mutex_;
  CondVar not_full_;
  CondVar not_empty_;
  std::deque<T> items_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace millrace
