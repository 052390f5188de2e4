// The trunk of types mlp, lstm and gru: dense layers over the features.
#pragma once

#include "inference/dense_input.h"
#include "inference/dense_stack.h"
#include "inference/native_trunk.h"

namespace millrace {

class MlpTrunk : public NativeTrunk {
 public:
  MlpTrunk(const ModelSpec& spec, Network network, const kernels::KernelSet& kernels)
      : input_(spec, network),
        layers_(input_.width(), spec.hidden, spec.activation, /*layer_norm=*/false, kernels) {}

  void Pack(const WeightBlob& weights, const std::string& name) override {
    layers_.Pack(weights, name);
  }
  RowMatrix Apply(const TrunkInput& input) override {
    return layers_.Apply({input_.Read(input), input_.width()}, input.rows);
  }
  int64_t width() const override { return layers_.width(); }

 private:
  DenseInput input_;
  DenseStack layers_;
};

}  // namespace millrace
