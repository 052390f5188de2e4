// Deadlines on the steady clock. Every blocking call takes one.
#pragma once

#include <chrono>
#include <cstdint>

namespace millrace {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

inline Deadline After(Clock::duration duration) { return Clock::now() + duration; }
inline bool Expired(Deadline deadline) { return Clock::now() >= deadline; }

inline uint64_t NanosecondsSince(Clock::time_point start) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
}

inline double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace millrace
