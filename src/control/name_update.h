// What a mirror of the name service is told.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace {

struct NameChange {
  std::string key;
  std::string value;
  bool deleted = false;
  bool operator==(const NameChange&) const = default;
};

struct NameUpdate {
  uint64_t revision = 0;              // of the table when this was made
  std::vector<std::string> complete;  // prefixes whose present keys are all among the changes
  std::vector<NameChange> changes;
  bool empty() const { return complete.empty() && changes.empty(); }
};

}  // namespace millrace
