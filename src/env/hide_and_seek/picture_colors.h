// What pictures of hide and seek are painted in.
#pragma once

#include "millrace/data/drawing.h"

namespace millrace::hide_and_seek {

inline constexpr shapes::Color kHiderColor = {0.00, 0.45, 0.70}, kSeekerColor = {0.84, 0.37, 0.00};
inline constexpr shapes::Color kBoxColor = {0.93, 0.82, 0.45}, kRampColor = {0.62, 0.75, 0.55};

}  // namespace millrace::hide_and_seek
