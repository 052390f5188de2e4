// The trunk of type cnn (see ModelSpec) as a LibTorch module.
#pragma once

#include <memory>
#include <vector>

#include "inference/image_inputs.h"
#include "models/trunk_module.h"

namespace millrace {

// A convolution without padding: [M, channels, height, width] -> [M, filters, out_height,
// out_width], weights [filters, channels, kernel, kernel].
class ConvolutionModule : public LayerModule {
 public:
  ConvolutionModule(const ConvolutionShape& shape, Rng& rng);
  int64_t stride() const { return stride_; }

 private:
  torch::Tensor Apply(const torch::Tensor& x) const override;

  const int64_t stride_;
};

// The convolutions of every image, before the hidden layers of an mlp.
class CnnModule : public MlpModule {
 public:
  CnnModule(const ModelSpec& spec, Rng& rng);
  torch::Tensor Forward(const TensorDict& observation,
                        const torch::Tensor& features) const override;

 private:
  // pixels [..., H, W, C] of image `i` -> [..., num_outputs]
  torch::Tensor Convolve(size_t i, const torch::Tensor& pixels) const;

  const std::vector<ImageInput> images_;
  const Activation activation_;
  std::vector<std::vector<std::shared_ptr<ConvolutionModule>>> layers_;  // of each image
};

}  // namespace millrace
