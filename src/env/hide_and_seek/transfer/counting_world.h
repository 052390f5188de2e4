// The world of the counting task: an agent before a wall with a window, boxes behind it.
#pragma once

#include "env/hide_and_seek/settings.h"
#include "env/hide_and_seek/world.h"
#include "millrace/core/rng.h"

namespace millrace::hide_and_seek {

inline constexpr int kCountedBoxes = 6;

// The agent stands in the middle of the side of high y and sees through the window. The boxes stand
// in line behind it, the first nearest. How many of them go to high x is uniform from 0 to all,
// which of them is drawn then.
World DrawCountingWorld(const Settings& settings, Rng& rng);

}  // namespace millrace::hide_and_seek
