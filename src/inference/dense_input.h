// What dense layers read of an observation without attention: EntityInputs::dense_width() floats.
#pragma once

#include "inference/entity_inputs.h"
#include "inference/native_trunk.h"
#include "kernels/aligned_buffer.h"

namespace millrace {

// Bound to one thread.
class DenseInput {
 public:
  DenseInput(const ModelSpec& spec, Network network);

  int64_t width() const { return width_; }
  // [rows, width()]; valid until the next call, or as long as the features if it is they.
  const float* Read(const TrunkInput& input) {
    return inputs_.all_features() ? input.features : Join(input);
  }

 private:
  // The parts of each observation behind one another.
  const float* Join(const TrunkInput& input);

  const EntityInputs inputs_;
  const int64_t features_, width_;
  AlignedFloats joined_;
};

}  // namespace millrace
