#include "millrace/models/policy.h"

#include <vector>

namespace millrace {

ParameterLayout Policy::layout() const {
  std::vector<ParameterEntry> entries;
  for (const auto& item : named_parameters()) {
    entries.push_back({item.key(), item.value().sizes().vec(), 0, /*trainable=*/true});
  }
  for (const auto& item : named_buffers()) {
    entries.push_back({item.key(), item.value().sizes().vec(), 0, /*trainable=*/false});
  }
  return ParameterLayout(std::move(entries));
}

}  // namespace millrace
