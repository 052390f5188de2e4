// The trunk of types mlp, lstm and gru: dense layers over the features.
#pragma once

#include "inference/dense_stack.h"
#include "inference/native_trunk.h"

namespace millrace {

class MlpTrunk : public NativeTrunk {
 public:
  MlpTrunk(const ModelSpec& spec, const kernels::KernelSet& kernels)
      : features_(spec.num_features()),
        layers_(features_, spec.hidden, spec.activation, /*layer_norm=*/false, kernels) {}

  void Pack(const WeightBlob& weights, const std::string& name) override {
    layers_.Pack(weights, name);
  }
  RowMatrix Apply(const TrunkInput& input) override {
    return layers_.Apply({input.features, features_}, input.rows);
  }
  int64_t width() const override { return layers_.width(); }

 private:
  const int64_t features_;
  DenseStack layers_;
};

}  // namespace millrace
