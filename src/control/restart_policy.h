// When to start a dead process again, and when to give up.
#pragma once

#include <chrono>
#include <deque>
#include <optional>

#include "core/deadline.h"

namespace millrace {

struct RestartOptions {
  Clock::duration first_delay = std::chrono::milliseconds(200);
  Clock::duration longest_delay = std::chrono::seconds(5);
  Clock::duration healthy_life = std::chrono::seconds(10);
  int max_restarts_per_minute = 10;
};

// One process's back-off: the delay doubles from the first to the longest and starts over after a
// healthy life. Value type; the caller brings the time.
class RestartPolicy {
 public:
  explicit RestartPolicy(const RestartOptions& options)
      : options_(options), delay_(options.first_delay) {}

  // When to start again a process that lived from `started` to `now`; nullopt if that would be more
  // than the allowed restarts within one minute (a crash loop).
  std::optional<Clock::time_point> OnExit(Clock::time_point started, Clock::time_point now);

 private:
  RestartOptions options_;
  Clock::duration delay_;
  std::deque<Clock::time_point> recent_;
};

}  // namespace millrace
