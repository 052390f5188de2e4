// Sleeping in a thread that may be told to stop.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "core/deadline.h"

namespace millrace {

// Returns after `duration`, or as soon as a stop is requested.
inline void StoppableSleep(const std::stop_token& stop, Clock::duration duration) {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  condition.wait_for(lock, stop, duration, [] { return false; });
}

}  // namespace millrace
