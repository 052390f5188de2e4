// The trunk of type entity_attention (see ModelSpec).
#pragma once

#include <optional>
#include <vector>

#include "inference/circular_convolution.h"
#include "inference/dense_stack.h"
#include "inference/entity_inputs.h"
#include "inference/native_trunk.h"
#include "inference/packed_norm.h"
#include "inference/self_attention.h"

namespace millrace {

// Only entities that are there become tokens, so the others cost nothing. Observations go through
// the attention layers in blocks whose tokens stay in the cache. Bound to one thread.
class EntityTrunk : public NativeTrunk {
 public:
  EntityTrunk(const ModelSpec& spec, Network network, const kernels::KernelSet& kernels);

  void Pack(const WeightBlob& weights, const std::string& name) override;
  RowMatrix Apply(const TrunkInput& input) override;
  int64_t width() const override { return layers_.width(); }

 private:
  void PackEntity(const WeightBlob& weights, const std::string& name, size_t set);
  void ReadSelf(const TrunkInput& input);  // to from_self_
  // For the observations [begin, end): tokens_ and begins_, then pooled_.
  void Embed(const TrunkInput& input, int64_t begin, int64_t end);
  void Pool(int64_t begin, int64_t end);
  // Writes the tokens of one observation's entities of a set; returns how many are there.
  int64_t EmbedEntities(const TrunkInput& input, int64_t row, size_t set, const float* start,
                        float* tokens);

  const kernels::KernelSet& kernels_;
  const EntityInputs inputs_;
  const int64_t features_;
  const Activation activation_;
  const int64_t embedding_, padded_;  // numbers of a token
  const int64_t pooled_stride_;
  int64_t max_tokens_ = 1;

  std::vector<CircularConvolution> circular_;
  PackedLayer self_layer_;  // self -> its own token, then what it adds to entities of each set
  std::vector<AlignedFloats> entity_weights_;  // per set [F, padded_]
  std::vector<SelfAttention> attention_;
  std::optional<PackedNorm> pool_norm_;
  DenseStack layers_;

  std::vector<int64_t> begins_;
  AlignedFloats self_, from_self_;  // [rows, inputs and outputs of self_layer_]
  AlignedFloats tokens_, present_;
  AlignedFloats first_;   // [kBlockRows, embedding_]: an observation's first token
  AlignedFloats pooled_;  // [rows, pooled_stride_]: mean token, first token
};

}  // namespace millrace
