// The trunk of types mlp, lstm and gru: dense layers over the features.
#pragma once

#include "inference/dense_stack.h"
#include "inference/entity_inputs.h"
#include "inference/native_trunk.h"

namespace millrace {

class MlpTrunk : public NativeTrunk {
 public:
  MlpTrunk(const ModelSpec& spec, Network network, const kernels::KernelSet& kernels);

  void Pack(const WeightBlob& weights, const std::string& name) override {
    layers_.Pack(weights, name);
  }
  RowMatrix Apply(const TrunkInput& input) override {
    return layers_.Apply({inputs_.all_features() ? input.features : Join(input), width_},
                         input.rows);
  }
  int64_t width() const override { return layers_.width(); }

 private:
  // What the layers read of each observation, behind one another.
  const float* Join(const TrunkInput& input);

  const EntityInputs inputs_;
  const int64_t features_, width_;
  DenseStack layers_;
  AlignedFloats joined_;
};

}  // namespace millrace
