// A doorbell in shared memory: one side rings, the other sleeps on a futex until it is rung.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/deadline.h"

namespace millrace {

// Lives in a zero-filled mapping shared between processes (or in ordinary memory between threads).
// No lock is held anywhere, so a process may die at any point.
//
//   const uint32_t seen = bell.Value();      // before looking for work
//   if (!FindWork()) bell.Wait(seen, deadline);
//
// A ring between Value() and Wait() makes Wait() return at once: no wake-up is lost.
class Doorbell {
 public:
  uint32_t Value() const { return sequence_.load(std::memory_order_acquire); }
  // Wakes every waiter. The system call is made only if somebody sleeps.
  void Ring();
  // Sleeps until the value differs from `seen` or the deadline passes; true if it differs.
  bool Wait(uint32_t seen, Deadline deadline);
  // Looks at the value without sleeping until it differs or the time is over; true if it differs.
  bool Spin(uint32_t seen, std::chrono::nanoseconds limit) const;

 private:
  std::atomic<uint32_t> sequence_{0};
  std::atomic<uint32_t> sleepers_{0};
};
// How long a waiting worker spins before it sleeps: `limit` while that pays, that is while the bell
// rings in that time; after a spin in vain the next waits sleep at once, twice as many each time.
// So where answers are slow, or other processes need the core, almost nothing is spent on it. Bound
// to one thread.
class AdaptiveSpin {
 public:
  explicit AdaptiveSpin(std::chrono::nanoseconds limit) : limit_(limit) {}
  // As Doorbell::Wait().
  bool Wait(Doorbell& bell, uint32_t seen, Deadline deadline);

 private:
  static constexpr int kLongestBackOff = 255;  // waits

  std::chrono::nanoseconds limit_;
  int back_off_ = 0;  // waits to sleep through after the next spin in vain
  int asleep_ = 0;    // of them still to come
};

static_assert(sizeof(Doorbell) == 8);
static_assert(std::atomic<uint32_t>::is_always_lock_free);

}  // namespace millrace
