// Where a value was written, in messages.
#pragma once

#include <string>
#include <string_view>

namespace millrace {

// How a message about `key` begins: "file.yaml:7: algorithm.clip". Of an override, whose place
// ("--set algorithm.clip") names the key already, the place alone; without a place the key alone.
inline std::string Subject(std::string_view place, std::string_view key) {
  if (place.empty()) return std::string(key);
  const bool named = place.starts_with("--set ") && place.ends_with(key);
  return named ? std::string(place) : std::string(place).append(": ").append(key);
}

}  // namespace millrace
