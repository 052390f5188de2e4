// The trunk of type entity_attention (see ModelSpec) as a LibTorch module.
#pragma once

#include <memory>
#include <vector>

#include "inference/entity_inputs.h"
#include "models/trunk_module.h"

namespace millrace {

// One layer of residual self-attention.
class AttentionModule : public torch::nn::Module {
 public:
  AttentionModule(int64_t size, int64_t heads, bool layer_norm, Rng& rng);
  // tokens [M, T, size]; present bool [M, T]: which of them there are
  torch::Tensor Forward(const torch::Tensor& tokens, const torch::Tensor& present) const;

 private:
  const int64_t heads_;
  std::shared_ptr<LinearModule> qkv_, out_;
  std::shared_ptr<NormModule> in_norm_, out_norm_;  // null without layer norm
};

// A convolution over a sequence whose end meets its beginning.
class CircularModule : public torch::nn::Module {
 public:
  CircularModule(int64_t in, int64_t channels, int64_t width, Rng& rng);
  // x [M, L, in] -> [M, L, channels]
  torch::Tensor Forward(const torch::Tensor& x) const;

 private:
  torch::Tensor weight_, bias_;  // [channels, in, width], [channels]
};

// Entities that are not there are computed and masked out.
class EntityModule : public TrunkModule {
 public:
  EntityModule(const ModelSpec& spec, Network network, Rng& rng);
  torch::Tensor Forward(const TensorDict& observation,
                        const torch::Tensor& features) const override;
  int64_t width() const override { return width_; }

 private:
  void AddDense(const ModelSpec& spec, Rng& rng);
  // x [M, F] -> [M, self_width]
  torch::Tensor Self(const torch::Tensor& x) const;
  // [M, N, embedding] of a set, before activation
  torch::Tensor Embed(size_t set, const torch::Tensor& x, const torch::Tensor& self) const;
  // bool [M, 1 + entities]
  torch::Tensor Present(const TensorDict& observation, const torch::Tensor& x) const;

  const EntityInputs inputs_;
  const Activation activation_;
  std::vector<std::string> masks_;  // of each set: the batch's field, or ""
  int64_t width_ = 0;
  std::vector<std::shared_ptr<CircularModule>> circular_;
  std::shared_ptr<LinearModule> self_;
  std::vector<std::shared_ptr<LinearModule>> entity_;
  std::vector<std::shared_ptr<AttentionModule>> attention_;
  std::vector<std::shared_ptr<LinearModule>> layers_;
  std::vector<std::shared_ptr<NormModule>> norms_;  // of the pool, then after each layer; or none
};

}  // namespace millrace
