#include "inference/dense_input.h"

#include <algorithm>

namespace millrace {

DenseInput::DenseInput(const ModelSpec& spec, Network network)
    : inputs_(EntityInputsOf(spec, network)),
      features_(spec.num_features()),
      width_(inputs_.dense_width()) {}

const float* DenseInput::Join(const TrunkInput& input) {
  joined_.Reserve(static_cast<size_t>(input.rows * width_));
  float* to = joined_.data();
  for (int64_t row = 0; row < input.rows; ++row) {
    const float* features = input.features + row * features_;
    for (const FeatureBlock& block : inputs_.flat) {
      to = std::copy_n(features + block.column, block.size(), to);
    }
    for (const FeatureBlock& set : inputs_.sets) {
      if (set.mask < 0) {
        to = std::copy_n(features + set.column, set.size(), to);
        continue;
      }
      const TensorView& mask = input.observation[static_cast<size_t>(set.mask)];
      float* there = to + set.size();
      for (int64_t i = 0; i < set.count; ++i) {
        *there = IsThere(mask, row * set.count + i) ? 1.0F : 0.0F;
        const float* entity = features + set.column + i * set.width;
        to = *there++ != 0 ? std::copy_n(entity, set.width, to) : std::fill_n(to, set.width, 0.0F);
      }
      to = there;
    }
  }
  return joined_.data();
}

}  // namespace millrace
