// Layer normalisation (Ba et al. 2016, arXiv:1607.06450) with its weights, padded for the kernels.
#pragma once

#include <algorithm>
#include <span>
#include <string>

#include "inference/weight_blob.h"

namespace millrace {

// Thread-compatible.
class PackedNorm {
 public:
  explicit PackedNorm(int64_t width) : width_(width), padded_(PadToPanel(width)) {
    gain_.Reserve(static_cast<size_t>(padded_));
    bias_.Reserve(static_cast<size_t>(padded_));
  }

  // NAME.{weight,bias}
  void Pack(const WeightBlob& weights, const std::string& name) {
    std::ranges::copy(weights.Tensor(name + ".weight"), gain_.data());
    std::ranges::copy(weights.Tensor(name + ".bias"), bias_.data());
  }
  // x and y [rows, padded width]; y may be x.
  void Apply(const kernels::KernelSet& kernels, const float* x, int64_t rows, float* y) const {
    kernels.layer_norm(x, rows, width_, padded_, gain_.data(), bias_.data(), y);
  }

 private:
  int64_t width_, padded_;
  AlignedFloats gain_, bias_;
};

}  // namespace millrace
