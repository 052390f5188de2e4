// A picture of pixels.
#pragma once

#include <cstdint>
#include <vector>

namespace millrace {

// Value type.
struct Image {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb = {};  // [height, width, 3], the top row first
};

}  // namespace millrace
