// The trunk of type cnn (see ModelSpec) as a LibTorch module.
#pragma once

#include <memory>
#include <vector>

#include "inference/image_inputs.h"
#include "models/trunk_module.h"

namespace millrace {

// A convolution without padding.
class ConvolutionModule : public torch::nn::Module {
 public:
  ConvolutionModule(const ConvolutionShape& shape, Rng& rng);
  // x [M, channels, height, width] -> [M, filters, out_height, out_width]
  torch::Tensor Forward(const torch::Tensor& x) const;

 private:
  const int64_t stride_;
  torch::Tensor weight_, bias_;  // [filters, channels, kernel, kernel], [filters]
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
