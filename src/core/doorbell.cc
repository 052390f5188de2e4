#include "core/doorbell.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>

namespace millrace {
namespace {

// A sleeper that is killed leaves `sleepers_` too high for ever, which costs a needless system call
// per ring and nothing else.
timespec ToTimespec(Clock::duration duration) {
  if (duration < Clock::duration::zero()) duration = Clock::duration::zero();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  return {seconds.count(), std::chrono::nanoseconds(duration - seconds).count()};
}

}  // namespace

void Doorbell::Ring() {
  sequence_.fetch_add(1);
  // Both operations are sequentially consistent, as are the waiter's: either the ringer sees the
  // sleeper, or the sleeper sees the new sequence and FUTEX_WAIT refuses to sleep.
  if (sleepers_.load() > 0) {
    ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(&sequence_), FUTEX_WAKE, INT_MAX, nullptr,
              nullptr, 0);
  }
}

bool Doorbell::Wait(uint32_t seen, Deadline deadline, std::chrono::nanoseconds spin) {
  if (Value() != seen) return true;
  if (spin.count() > 0) {
    const Deadline spin_end = After(spin);
    while (!Expired(spin_end)) {
      if (Value() != seen) return true;
      __builtin_ia32_pause();
    }
  }
  sleepers_.fetch_add(1);
  while (sequence_.load() == seen) {
    const Clock::duration left = deadline - Clock::now();
    if (left <= Clock::duration::zero()) break;
    const timespec timeout = ToTimespec(left);
    ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(&sequence_), FUTEX_WAIT, seen, &timeout,
              nullptr, 0);
  }
  sleepers_.fetch_sub(1);
  return Value() != seen;
}

}  // namespace millrace
