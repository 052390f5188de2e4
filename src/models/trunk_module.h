// Trunks of the built-in models as LibTorch modules.
#pragma once

#include <memory>
#include <vector>

#include "inference/entity_inputs.h"
#include "millrace/models/policy.h"
#include "models/layer_modules.h"

namespace millrace {

// What NativeTrunk is on the acting side. Bound to one thread.
class TrunkModule : public torch::nn::Module {
 public:
  // features [..., F] of `observation`, normalised -> [..., width()]
  virtual torch::Tensor Forward(const TensorDict& observation,
                                const torch::Tensor& features) const = 0;
  virtual int64_t width() const = 0;
};

// Hidden layers "0", "1", ..., each followed by the activation.
class MlpModule : public TrunkModule {
 public:
  MlpModule(int64_t in, const std::vector<int64_t>& hidden, Activation activation, Rng& rng);
  torch::Tensor Forward(const TensorDict& observation,
                        const torch::Tensor& features) const override;
  int64_t width() const override { return width_; }

 private:
  const Activation activation_;
  int64_t width_;
  std::vector<std::shared_ptr<LinearModule>> layers_;
};

// The trunk of types mlp, lstm and gru.
class DenseModule : public MlpModule {
 public:
  DenseModule(const ModelSpec& spec, Network network, Rng& rng);
  torch::Tensor Forward(const TensorDict& observation,
                        const torch::Tensor& features) const override;

  // What the layers read of the features: [..., EntityInputs::dense_width()], without gradient.
  // `fields` are those of the observation.
  static torch::Tensor Input(const EntityInputs& inputs, const std::vector<Field>& fields,
                             const TensorDict& observation, const torch::Tensor& features);

 private:
  const EntityInputs inputs_;
  const std::vector<Field> fields_;
};

std::shared_ptr<TrunkModule> MakeTrunkModule(const ModelSpec& spec, Network network, Rng& rng);

}  // namespace millrace
