// Numbers that tell one start of a stream end from the next.
#pragma once

#include <cstdint>
#include <random>

namespace millrace {

// Not 0. Random, because an incarnation number alone may be seen twice (a test, a reset registry).
inline uint64_t NewSession() {
  std::random_device random;
  return (uint64_t{random()} << 32 | random()) | 1;
}

}  // namespace millrace
