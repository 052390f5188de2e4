// What an agent can do in a step.
#pragma once

#include <array>
#include <cstdint>

namespace millrace::hide_and_seek {

inline constexpr int kMoveChoices = 11;  // per axis: from -90 to 90 in steps of 18
inline constexpr int kNeutralMove = 5;

// N or N m.
inline double ForceOf(int32_t move) { return 18.0 * (move - kNeutralMove); }

// Forces along x and y of the world in N and a torque in N m, each as one of 11 levels; whether the
// agent pulls the nearest thing, and whether it locks what it reaches.
struct Action {
  std::array<int32_t, 3> move = {kNeutralMove, kNeutralMove, kNeutralMove};
  bool pull = false, glue = false;
};

}  // namespace millrace::hide_and_seek
