// A stack of dense layers with the same activation after each.
#pragma once

#include <vector>

#include "inference/native_trunk.h"

namespace millrace {

class MlpTrunk : public NativeTrunk {
 public:
  MlpTrunk(int64_t in, const std::vector<int64_t>& hidden, Activation activation,
           const kernels::KernelSet& kernels);

  void Pack(const WeightBlob& weights, const std::string& name) override;
  RowMatrix Apply(const TrunkInput& input) override;
  int64_t width() const override { return width_; }

 private:
  const kernels::KernelSet& kernels_;
  const int64_t in_;
  const Activation activation_;
  int64_t width_;
  std::vector<PackedLayer> layers_;
  AlignedFloats buffers_[2];
};

}  // namespace millrace
