#include "models/cnn_module.h"

#include "absl/strings/str_cat.h"

namespace millrace {

ConvolutionModule::ConvolutionModule(const ConvolutionShape& shape, Rng& rng)
    : stride_(shape.stride) {
  const int64_t inputs = shape.channels * shape.kernel * shape.kernel;
  weight = register_parameter(
      "weight", OrthogonalMatrix(shape.filters, inputs, kTrunkGain, rng)
                    .view({shape.filters, shape.channels, shape.kernel, shape.kernel}));
  bias = register_parameter("bias", torch::zeros({shape.filters}));
}

torch::Tensor ConvolutionModule::Apply(const torch::Tensor& x) const {
  return torch::conv2d(x, weight, bias, stride_);
}

CnnModule::CnnModule(const ModelSpec& spec, Rng& rng)
    : MlpModule(JoinedWidth(spec), spec.hidden, spec.activation, rng),
      images_(ImageInputsOf(spec)),
      activation_(spec.activation) {
  const auto group = register_module("image", std::make_shared<GroupModule>());
  for (const ImageInput& image : images_) {
    const auto layers = group->Add(image.field, std::make_shared<GroupModule>());
    auto& convolutions = layers_.emplace_back();
    for (const ConvolutionShape& shape : image.layers) {
      convolutions.push_back(layers->Add(absl::StrCat(convolutions.size()),
                                         std::make_shared<ConvolutionModule>(shape, rng)));
    }
  }
}

torch::Tensor CnnModule::Forward(const TensorDict& observation,
                                 const torch::Tensor& features) const {
  std::vector<torch::Tensor> columns;
  for (size_t i = 0; i < images_.size(); ++i) {
    columns.push_back(Convolve(i, observation.at(ObservationField(images_[i].field))));
  }
  if (features.size(-1) > 0) columns.push_back(features);
  return MlpModule::Forward(observation,
                            columns.size() == 1 ? columns[0] : torch::cat(columns, -1));
}

// Channels stay last in memory, as LibTorch's fastest convolutions want them.
torch::Tensor CnnModule::Convolve(size_t i, const torch::Tensor& pixels) const {
  torch::Tensor x = pixels.flatten(0, -4).to(torch::kFloat32);
  if (pixels.scalar_type() == torch::kUInt8) x.div_(255.0);  // a copy
  x = x.permute({0, 3, 1, 2});
  for (const auto& layer : layers_[i]) x = Activate(layer->Forward(x), activation_);
  auto sizes = pixels.sizes().slice(0, static_cast<size_t>(pixels.dim()) - 3).vec();
  sizes.push_back(images_[i].num_outputs());
  return x.permute({0, 2, 3, 1}).reshape(sizes);
}

}  // namespace millrace
