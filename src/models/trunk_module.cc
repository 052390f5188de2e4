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

std::shared_ptr<TrunkModule> MakeTrunkModule(const ModelSpec& spec, Network network, Rng& rng) {
  if (spec.type == "entity_attention") return std::make_shared<EntityModule>(spec, network, rng);
  if (spec.type == "cnn") return std::make_shared<CnnModule>(spec, rng);
  return std::make_shared<MlpModule>(spec.num_features(), spec.hidden, spec.activation, rng);
}

}  // namespace millrace
