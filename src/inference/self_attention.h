// A layer of residual self-attention over the tokens of each observation: Vaswani et al. 2017
// (arXiv:1706.03762), section 3.2, without position codes.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "inference/packed_norm.h"

namespace millrace {

// tokens = norm(tokens + out(attention(qkv(norm(tokens))))). Bound to one thread.
class SelfAttention {
 public:
  SelfAttention(int64_t size, int64_t heads, bool layer_norm, const kernels::KernelSet& kernels);

  void Pack(const WeightBlob& weights, const std::string& name);
  // In place: tokens [begins.back(), padded size], of which observation i has those from begins[i]
  // to begins[i + 1].
  void Apply(std::span<const int64_t> begins, float* tokens);

 private:
  // The tokens [begin, end) of one observation, of one head, from qkv_ to mixed_.
  void Attend(int64_t begin, int64_t end, int64_t head);

  const kernels::KernelSet& kernels_;
  const int64_t size_, padded_;            // of a token
  const int64_t heads_, head_, head_pad_;  // head_: numbers of a head
  PackedLayer qkv_layer_;                  // queries, keys, values, each [heads, head_pad_]
  PackedLayer out_layer_;                  // [heads, head_pad_] -> token
  std::optional<PackedNorm> in_norm_, out_norm_;
  AlignedFloats normalized_, qkv_, queries_, scores_, mixed_, added_;
};

}  // namespace millrace
