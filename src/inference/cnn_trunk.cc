#include "inference/cnn_trunk.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace millrace {

ImageStack::ImageStack(ImageInput image, Activation activation, const kernels::KernelSet& kernels)
    : kernels_(kernels), image_(std::move(image)) {
  int64_t pixel_stride = image_.layers.front().channels;
  for (const ConvolutionShape& shape : image_.layers) {
    const Convolution& layer = layers_.emplace_back(shape, pixel_stride, activation, kernels);
    pixel_stride = layer.out_stride();
    buffers_[(layers_.size() - 1) % 2].Reserve(
        static_cast<size_t>(shape.positions() * pixel_stride));
  }
  if (image_.dtype == DType::kUInt8) pixels_.Reserve(static_cast<size_t>(image_.num_pixels()));
}

void ImageStack::Pack(const WeightBlob& weights, const std::string& name) {
  float scale = image_.dtype == DType::kUInt8 ? 1.0F / 255.0F : 1.0F;
  for (size_t i = 0; i < layers_.size(); ++i) {
    layers_[i].Pack(weights, absl::StrCat(name, ".", image_.field, ".", i), scale);
    scale = 1.0F;
  }
}

// As they are if they are float32 already.
const float* ImageStack::Pixels(const TensorView& field, int64_t row) {
  const int64_t begin = row * image_.num_pixels();
  if (image_.dtype == DType::kFloat32) return reinterpret_cast<const float*>(field.data) + begin;
  const auto* bytes = reinterpret_cast<const uint8_t*>(field.data) + begin;
  kernels_.bytes_to_floats(bytes, image_.num_pixels(), pixels_.data());
  return pixels_.data();
}

float* ImageStack::Apply(const TrunkInput& input, int64_t row, float* out) {
  const float* x = Pixels(input.observation[image_.index], row);
  for (size_t i = 0; i < layers_.size(); ++i) {
    layers_[i].Apply(x, buffers_[i % 2].data());
    x = buffers_[i % 2].data();
  }
  const int64_t filters = image_.layers.back().filters;
  for (int64_t p = 0; p < image_.layers.back().positions(); ++p) {
    out = std::copy_n(x + p * layers_.back().out_stride(), filters, out);
  }
  return out;
}

CnnTrunk::CnnTrunk(const ModelSpec& spec, const kernels::KernelSet& kernels)
    : features_(spec.num_features()),
      joined_width_(JoinedWidth(spec)),
      layers_(joined_width_, spec.hidden, spec.activation, /*layer_norm=*/false, kernels) {
  for (ImageInput& image : ImageInputsOf(spec)) {
    images_.emplace_back(std::move(image), spec.activation, kernels);
  }
}

void CnnTrunk::Pack(const WeightBlob& weights, const std::string& name) {
  for (ImageStack& image : images_) image.Pack(weights, name + ".image");
  layers_.Pack(weights, name);
}

RowMatrix CnnTrunk::Apply(const TrunkInput& input) {
  joined_.Reserve(static_cast<size_t>(input.rows * joined_width_));
  float* joined = joined_.data();
  for (int64_t row = 0; row < input.rows; ++row) {
    for (ImageStack& image : images_) joined = image.Apply(input, row, joined);
    joined = std::copy_n(input.features + row * features_, features_, joined);
  }
  return layers_.Apply({joined_.data(), joined_width_}, input.rows);
}

}  // namespace millrace
