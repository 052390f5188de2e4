// Continuous actions as environments get them.
#pragma once

#include <algorithm>
#include <span>

#include "millrace/data/spaces.h"

namespace millrace {

// Clips row after row to the action's box; `raw` and `clipped` may be the same memory.
inline void ClipToBox(const ActionSpec& action, std::span<const float> raw,
                      std::span<float> clipped) {
  size_t i = 0;
  while (i < raw.size()) {
    for (const ActionComponent& component : action.components) {
      for (size_t d = 0; d < component.low.size(); ++d, ++i) {
        clipped[i] = std::clamp(raw[i], component.low[d], component.high[d]);
      }
    }
  }
}

}  // namespace millrace
