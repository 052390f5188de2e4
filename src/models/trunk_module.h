// Trunks of the built-in models as LibTorch modules.
#pragma once

#include <memory>
#include <vector>

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

std::shared_ptr<TrunkModule> MakeTrunkModule(const ModelSpec& spec, Network network, Rng& rng);

}  // namespace millrace
