#include "models/trunk_module.h"

#include "absl/strings/str_cat.h"
#include "models/cnn_module.h"
#include "models/entity_module.h"

namespace millrace {

MlpModule::MlpModule(int64_t in, const std::vector<int64_t>& hidden, Activation activation,
                     Rng& rng)
    : activation_(activation), width_(in) {
  for (size_t i = 0; i < hidden.size(); ++i) {
    layers_.push_back(register_module(
        absl::StrCat(i), std::make_shared<LinearModule>(width_, hidden[i], kTrunkGain, rng)));
    width_ = hidden[i];
  }
}

torch::Tensor MlpModule::Forward(const TensorDict& /*observation*/,
                                 const torch::Tensor& features) const {
  torch::Tensor x = features;
  for (const auto& layer : layers_) x = Activate(layer->Forward(x), activation_);
  return x;
}

DenseModule::DenseModule(const ModelSpec& spec, Network network, Rng& rng)
    : MlpModule(EntityInputsOf(spec, network).dense_width(), spec.hidden, spec.activation, rng),
      inputs_(EntityInputsOf(spec, network)),
      fields_(spec.observation.fields) {}

torch::Tensor DenseModule::Input(const EntityInputs& inputs, const std::vector<Field>& fields,
                                 const TensorDict& observation, const torch::Tensor& features) {
  const torch::NoGradGuard no_gradient;
  if (inputs.all_features()) return features;
  std::vector<torch::Tensor> columns;
  for (const FeatureBlock& block : inputs.flat) {
    columns.push_back(features.narrow(-1, block.column, block.size()));
  }
  for (const FeatureBlock& set : inputs.sets) {
    const torch::Tensor entities = features.narrow(-1, set.column, set.size());
    if (set.mask < 0) {
      columns.push_back(entities);
      continue;
    }
    const std::string& mask = fields[static_cast<size_t>(set.mask)].name;
    const torch::Tensor there = (observation.at(ObservationField(mask)) != 0).to(torch::kFloat32);
    columns.push_back(
        (entities.unflatten(-1, {set.count, set.width}) * there.unsqueeze(-1)).flatten(-2));
    columns.push_back(there);
  }
  return torch::cat(columns, -1);
}

torch::Tensor DenseModule::Forward(const TensorDict& observation,
                                   const torch::Tensor& features) const {
  return MlpModule::Forward(observation, Input(inputs_, fields_, observation, features));
}

std::shared_ptr<TrunkModule> MakeTrunkModule(const ModelSpec& spec, Network network, Rng& rng) {
  if (spec.type == "entity_attention") return std::make_shared<EntityModule>(spec, network, rng);
  if (spec.type == "cnn") return std::make_shared<CnnModule>(spec, rng);
  return std::make_shared<DenseModule>(spec, network, rng);
}

}  // namespace millrace
