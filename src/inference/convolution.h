// A convolution over an image.
#pragma once

#include <string>
#include <vector>

#include "inference/image_inputs.h"
#include "inference/weight_blob.h"

namespace millrace {

// Output (y, x) of filter o is act(bias[o] + sum over i, j, c of weight[o][c][i][j] * image[y *
// stride + i][x * stride + j][c]). Windows are read where they lie in the image, nothing is copied.
// Thread-compatible.
class Convolution {
 public:
  // A pixel is `pixel_stride` floats, of which those behind the channels are ignored.
  Convolution(const ConvolutionShape& shape, int64_t pixel_stride, Activation activation,
              const kernels::KernelSet& kernels);

  // NAME.weight [filters, channels, kernel, kernel], NAME.bias; for an image that is `scale` times
  // what Apply() gets.
  void Pack(const WeightBlob& weights, const std::string& name, float scale);
  // image [height, width, pixel_stride] -> y [positions, out_stride()], filled up with zeros
  void Apply(const float* image, float* y) const;
  int64_t out_stride() const { return layer_.padded_out(); }

 private:
  const kernels::KernelSet& kernels_;
  const ConvolutionShape shape_;
  const Activation activation_;
  PackedLayer layer_;             // [kernel, kernel, channels] -> filters
  std::vector<int64_t> offsets_;  // of the windows in the image
  std::vector<int64_t> inputs_;   // of the layer's inputs in a window
};

}  // namespace millrace
