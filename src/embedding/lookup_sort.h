// Lookups of a batch, row by row.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "embedding/embedding_kernels.h"

namespace millrace::embedding {

// Sorts by place, stably: a row's lookups stay in their order. Thread-compatible.
class LookupSort {
 public:
  // Places are less than `places`. Valid until the next call.
  std::span<const Lookup> Sort(std::span<const Lookup> lookups, int64_t places);

 private:
  std::vector<Lookup> buffers_[2];
};

}  // namespace millrace::embedding
