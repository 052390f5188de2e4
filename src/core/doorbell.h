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
  // Sleeps until the value differs from `seen` or the deadline passes; true if it differs. Spins
  // for `spin` first: worth it only where the answer comes sooner than a system call takes.
  bool Wait(uint32_t seen, Deadline deadline, std::chrono::nanoseconds spin = {});

 private:
  std::atomic<uint32_t> sequence_{0};
  std::atomic<uint32_t> sleepers_{0};
};
static_assert(sizeof(Doorbell) == 8);
static_assert(std::atomic<uint32_t>::is_always_lock_free);

}  // namespace millrace
