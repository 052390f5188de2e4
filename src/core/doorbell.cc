#include "core/doorbell.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
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

// Tells the core that this is a spinning loop.
void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
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

bool Doorbell::Spin(uint32_t seen, std::chrono::nanoseconds limit) const {
  const Deadline end = After(limit);
  do {
    if (Value() != seen) return true;
    Pause();
  } while (!Expired(end));
  return false;
}

bool Doorbell::Wait(uint32_t seen, Deadline deadline) {
  if (Value() != seen) return true;
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

bool AdaptiveSpin::Wait(Doorbell& bell, uint32_t seen, Deadline deadline) {
  if (limit_.count() == 0) return bell.Wait(seen, deadline);
  if (asleep_ > 0) {
    --asleep_;
    return bell.Wait(seen, deadline);
  }
  if (bell.Spin(seen, limit_)) {
    back_off_ = 0;
    return true;
  }
  back_off_ = std::min(2 * back_off_ + 1, kLongestBackOff);
  asleep_ = back_off_;
  return bell.Wait(seen, deadline);
}

}  // namespace millrace
