#include "control/restart_policy.h"

#include <algorithm>

namespace millrace {

std::optional<Clock::time_point> RestartPolicy::OnExit(Clock::time_point started,
                                                       Clock::time_point now) {
  constexpr auto kWindow = std::chrono::seconds(60);
  while (!recent_.empty() && now - recent_.front() >= kWindow) recent_.pop_front();
  if (std::ssize(recent_) >= options_.max_restarts_per_minute) return std::nullopt;
  recent_.push_back(now);
  if (now - started >= options_.healthy_life) delay_ = options_.first_delay;
  const Clock::time_point restart_at = now + delay_;
  delay_ = std::min(delay_ * 2, options_.longest_delay);
  return restart_at;
}

}  // namespace millrace
