// Whole numbers drawn with both ends included, as the rules of the world are written.
#pragma once

#include "env/hide_and_seek/settings.h"
#include "millrace/core/rng.h"

namespace millrace::hide_and_seek {

// low <= high.
inline int UniformInt(int low, int high, Rng& rng) {
  return low + static_cast<int>(rng.Below(static_cast<uint64_t>(high - low) + 1));
}
inline int UniformInt(const Range& range, Rng& rng) {
  return UniformInt(static_cast<int>(range.low), static_cast<int>(range.high), rng);
}

}  // namespace millrace::hide_and_seek
