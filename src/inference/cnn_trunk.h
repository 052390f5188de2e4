// The trunk of type cnn (see ModelSpec).
#pragma once

#include <string>
#include <vector>

#include "inference/convolution.h"
#include "inference/dense_stack.h"
#include "inference/native_trunk.h"

namespace millrace {

// The convolutions of one image field. Bound to one thread.
class ImageStack {
 public:
  ImageStack(ImageInput image, Activation activation, const kernels::KernelSet& kernels);

  // NAME.FIELD.I.{weight,bias}
  void Pack(const WeightBlob& weights, const std::string& name);
  // Row `row` of the observation's field to num_outputs() numbers [H', W', C']; returns their end.
  float* Apply(const TrunkInput& input, int64_t row, float* out);

 private:
  const float* Pixels(const TensorView& field, int64_t row);

  const kernels::KernelSet& kernels_;
  ImageInput image_;
  std::vector<Convolution> layers_;
  AlignedFloats pixels_;      // of a uint8 image
  AlignedFloats buffers_[2];  // outputs of the layers, in turn
};

// One observation after the other goes through all convolutions, so that what lies between them
// stays in the cache; the hidden layers take all of them at once. Bound to one thread.
class CnnTrunk : public NativeTrunk {
 public:
  CnnTrunk(const ModelSpec& spec, const kernels::KernelSet& kernels);

  void Pack(const WeightBlob& weights, const std::string& name) override;
  RowMatrix Apply(const TrunkInput& input) override;
  int64_t width() const override { return layers_.width(); }

 private:
  const int64_t features_, joined_width_;
  std::vector<ImageStack> images_;
  AlignedFloats joined_;  // [rows, joined_width_]: outputs of all images, then features
  DenseStack layers_;
};

}  // namespace millrace
