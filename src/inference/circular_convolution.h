// A convolution over a sequence whose end meets its beginning.
#pragma once

#include <string>

#include "inference/weight_blob.h"

namespace millrace {

// Output p of channel o is act(bias[o] + sum over c, k of weight[o][c][k] * x[(p + k - (width - 1)
// / 2) mod length][c]). Bound to one thread.
class CircularConvolution {
 public:
  CircularConvolution(int64_t length, int64_t in, int64_t channels, int64_t width,
                      Activation activation, const kernels::KernelSet& kernels);

  // NAME.weight [channels, in, width], NAME.bias
  void Pack(const WeightBlob& weights, const std::string& name);
  // x [length, in] -> y [length, channels]
  void Apply(const float* x, float* y);
  int64_t size() const { return length_ * channels_; }  // of y

 private:
  const kernels::KernelSet& kernels_;
  const int64_t length_, in_, channels_, width_;
  const Activation activation_;
  PackedLayer layer_;       // [width x in] -> channels: the window at p is contiguous
  AlignedFloats unrolled_;  // [length + width - 1, in]
  AlignedFloats out_;       // [length, padded channels]
};

}  // namespace millrace
