// Samples of a dataset as a minibatch.
#pragma once

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/data/dataset.h"
#include "millrace/models/policy.h"

namespace millrace {

class SampleTensors {
 public:
  // Samples [first, first + count), as ReadRound().
  static absl::StatusOr<SampleTensors> Read(Dataset& dataset, int64_t first, int64_t count);

  const TensorDict& tensors() const { return tensors_; }

 private:
  TensorDict tensors_;
};

}  // namespace millrace
