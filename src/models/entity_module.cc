#include "models/entity_module.h"

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"

namespace millrace {
namespace {

// Weights of about the spread N(0, 0.125 / inputs) that Baker et al. begin with.
const double kAttentionGain = std::sqrt(0.125);

}  // namespace

AttentionModule::AttentionModule(int64_t size, int64_t heads, bool layer_norm, Rng& rng)
    : heads_(heads) {
  if (layer_norm) in_norm_ = register_module("in_norm", std::make_shared<NormModule>(size));
  qkv_ =
      register_module("qkv", std::make_shared<LinearModule>(size, 3 * size, kAttentionGain, rng));
  out_ = register_module("out", std::make_shared<LinearModule>(size, size, kAttentionGain, rng));
  if (layer_norm) out_norm_ = register_module("out_norm", std::make_shared<NormModule>(size));
}

torch::Tensor AttentionModule::Forward(const torch::Tensor& tokens,
                                       const torch::Tensor& present) const {
  const int64_t batch = tokens.size(0), count = tokens.size(1), size = tokens.size(2);
  const torch::Tensor x = in_norm_ ? in_norm_->Forward(tokens) : tokens;
  const auto parts =  // [3, M, heads, T, size / heads]
      qkv_->Forward(x).view({batch, count, 3, heads_, size / heads_}).permute({2, 0, 3, 1, 4});
  const torch::Tensor mixed = at::scaled_dot_product_attention(parts[0], parts[1], parts[2],
                                                               present.view({batch, 1, 1, count}));
  const torch::Tensor sum =
      tokens + out_->Forward(mixed.transpose(1, 2).reshape({batch, count, size}));
  return out_norm_ ? out_norm_->Forward(sum) : sum;
}

CircularModule::CircularModule(int64_t in, int64_t channels, int64_t width, Rng& rng) {
  weight_ = register_parameter(
      "weight",
      OrthogonalMatrix(channels, in * width, kTrunkGain, rng).view({channels, in, width}));
  bias_ = register_parameter("bias", torch::zeros({channels}));
}

torch::Tensor CircularModule::Forward(const torch::Tensor& x) const {
  const int64_t length = x.size(1), width = weight_.size(2);
  const int64_t before = (width - 1) / 2, after = width - 1 - before;
  const torch::Tensor unrolled =
      torch::cat({x.narrow(1, length - before, before), x, x.narrow(1, 0, after)}, 1);
  return torch::conv1d(unrolled.transpose(1, 2), weight_, bias_).transpose(1, 2);
}

EntityModule::EntityModule(const ModelSpec& spec, Network network, Rng& rng)
    : inputs_(EntityInputsOf(spec, network)), activation_(spec.activation) {
  const EntitySpec& entity = spec.entity;
  const int64_t size = entity.embedding;
  const auto linear = [&rng](int64_t in, int64_t out) {
    return std::make_shared<LinearModule>(in, out, kTrunkGain, rng);
  };
  const auto group = [this](const char* name) {
    return register_module(name, std::make_shared<GroupModule>());
  };
  if (!inputs_.circular.empty()) {
    const auto circular = group("circular");
    for (const FeatureBlock& block : inputs_.circular) {
      circular_.push_back(circular->Add(
          block.field, std::make_shared<CircularModule>(block.width, entity.circular_channels,
                                                        entity.circular_width, rng)));
    }
  }
  self_ = register_module("self", linear(inputs_.self_width, size));
  const auto entities = group("entity");
  for (const FeatureBlock& set : inputs_.sets) {
    entity_.push_back(entities->Add(set.field, linear(set.width + inputs_.self_width, size)));
    masks_.push_back(
        set.mask < 0
            ? ""
            : ObservationField(spec.observation.fields[static_cast<size_t>(set.mask)].name));
  }
  const auto attention = group("attention");
  for (int64_t i = 0; i < entity.layers; ++i) {
    attention_.push_back(attention->Add(
        absl::StrCat(i),
        std::make_shared<AttentionModule>(size, entity.heads, entity.layer_norm, rng)));
  }
  AddDense(spec, rng);
}

void EntityModule::AddDense(const ModelSpec& spec, Rng& rng) {
  width_ = 2 * spec.entity.embedding;
  const auto norm = [this](int64_t width) { return std::make_shared<NormModule>(width); };
  std::shared_ptr<GroupModule> norms;
  if (spec.entity.layer_norm) {
    norms_.push_back(register_module("pool_norm", norm(width_)));
    norms = register_module("norm", std::make_shared<GroupModule>());
  }
  for (size_t i = 0; i < spec.hidden.size(); ++i) {
    const std::string name = absl::StrCat(i);
    layers_.push_back(register_module(
        name, std::make_shared<LinearModule>(width_, spec.hidden[i], kTrunkGain, rng)));
    width_ = spec.hidden[i];
    if (norms) norms_.push_back(norms->Add(name, norm(width_)));
  }
}

torch::Tensor EntityModule::Forward(const TensorDict& observation,
                                    const torch::Tensor& features) const {
  const torch::Tensor x = features.flatten(0, -2);
  const torch::Tensor self = Self(x);
  std::vector<torch::Tensor> sets = {self_->Forward(self).unsqueeze(1)};
  for (size_t set = 0; set < entity_.size(); ++set) sets.push_back(Embed(set, x, self));
  torch::Tensor tokens = Activate(torch::cat(sets, 1), activation_);
  const torch::Tensor first = tokens.select(1, 0);
  const torch::Tensor present = Present(observation, x);
  for (const auto& layer : attention_) tokens = layer->Forward(tokens, present);
  const torch::Tensor weights = present.to(torch::kFloat32);
  // A masked entity may hold anything finite: its token counts zero times.
  const torch::Tensor sum = torch::matmul(weights.unsqueeze(1), tokens).squeeze(1);
  torch::Tensor hidden = torch::cat({sum / weights.sum(1, /*keepdim=*/true), first}, -1);
  if (!norms_.empty()) hidden = norms_[0]->Forward(hidden);
  for (size_t i = 0; i < layers_.size(); ++i) {
    hidden = Activate(layers_[i]->Forward(hidden), activation_);
    if (!norms_.empty()) hidden = norms_[i + 1]->Forward(hidden);
  }
  auto sizes = features.sizes().vec();
  sizes.back() = width_;
  return hidden.view(sizes);
}

torch::Tensor EntityModule::Self(const torch::Tensor& x) const {
  std::vector<torch::Tensor> columns;
  for (const FeatureBlock& block : inputs_.flat) {
    columns.push_back(x.narrow(1, block.column, block.width));
  }
  for (size_t i = 0; i < circular_.size(); ++i) {
    const FeatureBlock& block = inputs_.circular[i];
    const torch::Tensor sequence =
        x.narrow(1, block.column, block.size()).reshape({x.size(0), block.count, block.width});
    columns.push_back(Activate(circular_[i]->Forward(sequence), activation_).flatten(1));
  }
  return torch::cat(columns, 1);
}

// dense([entity, self]) with the part of self computed once for all entities of an observation.
torch::Tensor EntityModule::Embed(size_t set, const torch::Tensor& x,
                                  const torch::Tensor& self) const {
  const FeatureBlock& block = inputs_.sets[set];
  const LinearModule& layer = *entity_[set];
  const auto weights = layer.weight.split_with_sizes({block.width, inputs_.self_width}, 1);
  const torch::Tensor entities =
      x.narrow(1, block.column, block.size()).reshape({x.size(0), block.count, block.width});
  return torch::linear(entities, weights[0]) +
         torch::linear(self, weights[1], layer.bias).unsqueeze(1);
}

torch::Tensor EntityModule::Present(const TensorDict& observation, const torch::Tensor& x) const {
  const torch::NoGradGuard no_gradient;
  const int64_t rows = x.size(0);
  const auto all = torch::dtype(torch::kBool).device(x.device());
  std::vector<torch::Tensor> present = {torch::ones({rows, 1}, all)};
  for (size_t set = 0; set < masks_.size(); ++set) {
    const int64_t count = inputs_.sets[set].count;
    present.push_back(masks_[set].empty()
                          ? torch::ones({rows, count}, all)
                          : observation.at(masks_[set]).reshape({rows, count}) != 0);
  }
  return torch::cat(present, 1);
}

}  // namespace millrace
