// Which worker: the second actor is {"actor", 1}, whichever process plays it at the moment.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace millrace {

struct WorkerId {
  std::string role;
  uint32_t index = 0;
  auto operator<=>(const WorkerId&) const = default;
};

// "actor-1".
inline std::string ToString(const WorkerId& id) { return id.role + "-" + std::to_string(id.index); }

}  // namespace millrace
