// Which past versions of a policy play, told from the number of the newest version alone, so that
// actors and those who act for them agree without asking one another.
#pragma once

#include <cstdint>

#include "config/experiment.h"

namespace millrace {

// Versions are counted in periods of `every_versions`. The first version of each period is kept and
// plays for `opponents` periods, under a number from 1 to `opponents`; 0 is the newest version.
// Value type.
class LeagueSlots {
 public:
  explicit LeagueSlots(const LeagueConfig& league)
      : every_(league.every_versions), opponents_(static_cast<uint64_t>(league.opponents)) {}

  uint64_t Period(uint64_t version) const { return version / every_; }
  // The first period whose version plays beside `newest`.
  uint64_t OldestPeriod(uint64_t newest) const {
    const uint64_t period = Period(newest);
    return period < opponents_ ? 0 : period - opponents_ + 1;
  }
  uint8_t Slot(uint64_t period) const { return static_cast<uint8_t>(period % opponents_ + 1); }

 private:
  uint64_t every_, opponents_;
};

}  // namespace millrace
