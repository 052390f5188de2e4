// Samples of a click log: what was shown to whom, and whether it was clicked.
#pragma once

#include <cstdint>
#include <vector>

#include "embedding/jagged_ids.h"

namespace millrace::clicks {

struct ClickBatch {
  int64_t samples = 0;
  std::vector<float> dense;      // [samples, dense features]
  std::vector<int32_t> lengths;  // [features, samples]
  std::vector<int64_t> ids;
  std::vector<float> labels;  // [samples], 1 if clicked, else 0

  embedding::JaggedIds sparse() const { return {lengths, ids, samples}; }
};

}  // namespace millrace::clicks
