// Numbers about an episode, counted while it goes on.
#pragma once

#include <span>

namespace millrace::hide_and_seek {

// Rules::StatisticNames() says what they are. Thread-compatible.
class Record {
 public:
  virtual ~Record() = default;
  // After each step.
  virtual void Count(std::span<const float> rewards) = 0;
  // At the end, `discarded` if the simulation broke down: one number per name, NaN where there is
  // nothing to say. Valid until the next call.
  virtual std::span<const double> Finish(bool discarded) = 0;
};

}  // namespace millrace::hide_and_seek
