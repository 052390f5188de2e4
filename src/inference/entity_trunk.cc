#include "inference/entity_trunk.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace millrace {
namespace {

constexpr int64_t kBlockRows = 12;

}  // namespace

EntityTrunk::EntityTrunk(const ModelSpec& spec, Network network, const kernels::KernelSet& kernels)
    : kernels_(kernels),
      inputs_(EntityInputsOf(spec, network)),
      features_(spec.num_features()),
      activation_(spec.activation),
      embedding_(spec.entity.embedding),
      padded_(PadToPanel(embedding_)),
      pooled_stride_(PadToPanel(2 * embedding_)),
      self_layer_(inputs_.self_width, (1 + static_cast<int64_t>(inputs_.sets.size())) * padded_),
      layers_(2 * embedding_, spec.hidden, spec.activation, spec.entity.layer_norm, kernels) {
  const EntitySpec& entity = spec.entity;
  for (const FeatureBlock& block : inputs_.circular) {
    circular_.emplace_back(block.count, block.width, entity.circular_channels,
                           entity.circular_width, spec.activation, kernels);
  }
  entity_weights_.resize(inputs_.sets.size());
  for (const FeatureBlock& set : inputs_.sets) max_tokens_ += set.count;
  for (int64_t i = 0; i < entity.layers; ++i) {
    attention_.emplace_back(entity.embedding, entity.heads, entity.layer_norm, kernels);
  }
  if (entity.layer_norm) pool_norm_.emplace(2 * embedding_);
  const auto block = static_cast<size_t>(kBlockRows);
  first_.Reserve(block * static_cast<size_t>(embedding_));
  tokens_.Reserve(block * static_cast<size_t>(max_tokens_ * padded_));
  for (const FeatureBlock& set : inputs_.sets) present_.Reserve(static_cast<size_t>(set.size()));
}

void EntityTrunk::Pack(const WeightBlob& weights, const std::string& name) {
  for (size_t i = 0; i < circular_.size(); ++i) {
    circular_[i].Pack(weights, absl::StrCat(name, ".circular.", inputs_.circular[i].field));
  }
  self_layer_.Clear();
  self_layer_.Pack(weights.Tensor(name + ".self.weight"), weights.Tensor(name + ".self.bias"),
                   embedding_, inputs_.self_width);
  for (size_t set = 0; set < inputs_.sets.size(); ++set) PackEntity(weights, name, set);
  for (size_t i = 0; i < attention_.size(); ++i) {
    attention_[i].Pack(weights, absl::StrCat(name, ".attention.", i));
  }
  if (pool_norm_) pool_norm_->Pack(weights, name + ".pool_norm");
  layers_.Pack(weights, name);
}

// The columns of [embedding, F + S] that belong to the entity itself, transposed; those that belong
// to self become outputs of self_layer_.
void EntityTrunk::PackEntity(const WeightBlob& weights, const std::string& name, size_t set) {
  const std::string entity = absl::StrCat(name, ".entity.", inputs_.sets[set].field);
  const auto weight = weights.Tensor(entity + ".weight"), bias = weights.Tensor(entity + ".bias");
  const int64_t own = inputs_.sets[set].width, columns = own + inputs_.self_width;
  AlignedFloats& packed = entity_weights_[set];
  packed.Reserve(static_cast<size_t>(own * padded_));
  std::vector<float> of_self;
  for (int64_t out = 0; out < embedding_; ++out) {
    const auto row = weight.begin() + out * columns;
    for (int64_t i = 0; i < own; ++i) packed.data()[i * padded_ + out] = row[i];
    of_self.insert(of_self.end(), row + own, row + columns);
  }
  self_layer_.Pack(of_self, bias, embedding_, inputs_.self_width,
                   (1 + static_cast<int64_t>(set)) * padded_);
}

RowMatrix EntityTrunk::Apply(const TrunkInput& input) {
  pooled_.Reserve(static_cast<size_t>(input.rows * pooled_stride_));
  ReadSelf(input);
  for (int64_t begin = 0; begin < input.rows; begin += kBlockRows) {
    const int64_t end = std::min(begin + kBlockRows, input.rows);
    Embed(input, begin, end);
    for (SelfAttention& layer : attention_) layer.Apply(begins_, tokens_.data());
    Pool(begin, end);
  }
  if (pool_norm_) pool_norm_->Apply(kernels_, pooled_.data(), input.rows, pooled_.data());
  return layers_.Apply({pooled_.data(), pooled_stride_}, input.rows);
}

void EntityTrunk::ReadSelf(const TrunkInput& input) {
  self_.Reserve(static_cast<size_t>(input.rows * inputs_.self_width));
  from_self_.Reserve(static_cast<size_t>(input.rows * self_layer_.padded_out()));
  float* self = self_.data();
  for (int64_t row = 0; row < input.rows; ++row) {
    const float* features = input.features + row * features_;
    for (const FeatureBlock& block : inputs_.flat) {
      self = std::copy_n(features + block.column, block.width, self);
    }
    for (size_t i = 0; i < circular_.size(); ++i) {
      circular_[i].Apply(features + inputs_.circular[i].column, self);
      self += circular_[i].size();
    }
  }
  self_layer_.Apply(kernels_, self_.data(), inputs_.self_width, input.rows, from_self_.data());
}

void EntityTrunk::Embed(const TrunkInput& input, int64_t begin, int64_t end) {
  begins_.assign(1, 0);
  for (int64_t row = begin; row < end; ++row) {
    const float* from_self = from_self_.data() + row * self_layer_.padded_out();
    int64_t token = begins_.back();
    std::copy_n(from_self, padded_, tokens_.data() + token++ * padded_);
    for (size_t set = 0; set < inputs_.sets.size(); ++set) {
      from_self += padded_;
      token += EmbedEntities(input, row, set, from_self, tokens_.data() + token * padded_);
    }
    begins_.push_back(token);
  }
  Activate(kernels_, activation_, tokens_.data(), begins_.back() * padded_);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t first = begins_[static_cast<size_t>(row - begin)];
    std::copy_n(tokens_.data() + first * padded_, embedding_,
                first_.data() + (row - begin) * embedding_);
  }
}

int64_t EntityTrunk::EmbedEntities(const TrunkInput& input, int64_t row, size_t set,
                                   const float* start, float* tokens) {
  const FeatureBlock& block = inputs_.sets[set];
  const float* entities = input.features + row * features_ + block.column;
  int64_t count = block.count;
  if (block.mask >= 0) {
    const TensorView& mask = input.observation[static_cast<size_t>(block.mask)];
    float* to = present_.data();
    for (int64_t i = 0; i < block.count; ++i) {
      if (!IsThere(mask, row * block.count + i)) continue;
      to = std::copy_n(entities + i * block.width, block.width, to);
    }
    count = (to - present_.data()) / block.width;
    entities = present_.data();
  }
  kernels_.product({entities, block.width, 1}, count, block.width, entity_weights_[set].data(),
                   padded_, start, /*start_stride=*/0, padded_ / kernels::kPanel, tokens, padded_);
  return count;
}

void EntityTrunk::Pool(int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t first = begins_[static_cast<size_t>(row - begin)];
    const int64_t count = begins_[static_cast<size_t>(row - begin) + 1] - first;
    float* mean = pooled_.data() + row * pooled_stride_;
    kernels_.column_sums(tokens_.data() + first * padded_, padded_, count,
                         padded_ / kernels::kPanel, mean);
    const float share = 1.0F / static_cast<float>(count);
    for (int64_t i = 0; i < embedding_; ++i) mean[i] *= share;
    std::copy_n(first_.data() + (row - begin) * embedding_, embedding_, mean + embedding_);
  }
}

}  // namespace millrace
