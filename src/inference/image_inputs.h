// What a network of type cnn makes of its images.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "millrace/inference/model_spec.h"

namespace millrace {

// A convolution without padding: [height, width, channels] -> [out_height, out_width, filters].
struct ConvolutionShape {
  int64_t height, width, channels;
  int64_t filters;
  int64_t kernel, stride;

  int64_t out_height() const { return (height - kernel) / stride + 1; }
  int64_t out_width() const { return (width - kernel) / stride + 1; }
  int64_t positions() const { return out_height() * out_width(); }
};

struct ImageInput {
  std::string field;
  size_t index = 0;  // of the observation's fields
  DType dtype = DType::kUInt8;
  std::vector<ConvolutionShape> layers;  // at least one

  int64_t num_pixels() const;  // height x width x channels of the image
  int64_t num_outputs() const;
};

// In the observation's order.
std::vector<ImageInput> ImageInputsOf(const ModelSpec& spec);

// What the hidden layers read: the outputs of all images, then the features.
int64_t JoinedWidth(const ModelSpec& spec);

}  // namespace millrace
