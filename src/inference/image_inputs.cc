#include "inference/image_inputs.h"

#include <algorithm>

namespace millrace {

int64_t ImageInput::num_pixels() const {
  const ConvolutionShape& first = layers.front();
  return first.height * first.width * first.channels;
}

int64_t ImageInput::num_outputs() const {
  return layers.back().positions() * layers.back().filters;
}

std::vector<ImageInput> ImageInputsOf(const ModelSpec& spec) {
  std::vector<ImageInput> images;
  for (size_t i = 0; i < spec.observation.fields.size(); ++i) {
    const Field& field = spec.observation.fields[i];
    if (std::ranges::count(spec.convolution.images, field.name) == 0) continue;
    ImageInput& image = images.emplace_back(ImageInput{field.name, i, field.dtype, {}});
    int64_t height = field.shape[0], width = field.shape[1], channels = field.shape[2];
    for (const ConvolutionSpec::Layer& layer : spec.convolution.filters) {
      const ConvolutionShape& shape = image.layers.emplace_back(
          ConvolutionShape{height, width, channels, layer.channels, layer.kernel, layer.stride});
      height = shape.out_height();
      width = shape.out_width();
      channels = shape.filters;
    }
  }
  return images;
}

int64_t JoinedWidth(const ModelSpec& spec) {
  int64_t width = spec.num_features();
  for (const ImageInput& image : ImageInputsOf(spec)) width += image.num_outputs();
  return width;
}

}  // namespace millrace
