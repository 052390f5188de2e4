#include "inference/self_attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace millrace {

SelfAttention::SelfAttention(int64_t size, int64_t heads, bool layer_norm,
                             const kernels::KernelSet& kernels)
    : kernels_(kernels),
      size_(size),
      padded_(PadToPanel(size)),
      heads_(heads),
      head_(size / heads),
      head_pad_(PadToPanel(head_)),
      qkv_layer_(size, 3 * heads_ * head_pad_),
      out_layer_(heads_ * head_pad_, size) {
  if (!layer_norm) return;
  in_norm_.emplace(size);
  out_norm_.emplace(size);
}

void SelfAttention::Pack(const WeightBlob& weights, const std::string& name) {
  const auto weight = weights.Tensor(name + ".qkv.weight"),
             bias = weights.Tensor(name + ".qkv.bias");
  qkv_layer_.Clear();
  const auto floats = static_cast<size_t>(head_ * size_);
  for (int64_t part = 0; part < 3 * heads_; ++part) {
    const auto row = static_cast<size_t>(part * head_);
    const auto rows = weight.subspan(row * static_cast<size_t>(size_), floats);
    const auto biases = bias.subspan(row, static_cast<size_t>(head_));
    std::vector<float> w(rows.begin(), rows.end()), b(biases.begin(), biases.end());
    if (part < heads_) {  // queries carry the scale of the scores
      const float scale = 1.0F / std::sqrt(static_cast<float>(head_));
      for (float& x : w) x *= scale;
      for (float& x : b) x *= scale;
    }
    qkv_layer_.Pack(w, b, head_, size_, part * head_pad_);
  }
  const auto out = weights.Tensor(name + ".out.weight");
  const std::vector<float> none(static_cast<size_t>(size_));
  out_layer_.Clear();
  for (int64_t head = 0; head < heads_; ++head) {
    std::vector<float> columns;  // [size, head]
    for (int64_t row = 0; row < size_; ++row) {
      const auto from = out.begin() + row * size_ + head * head_;
      columns.insert(columns.end(), from, from + head_);
    }
    out_layer_.Pack(columns, head == 0 ? weights.Tensor(name + ".out.bias") : none, size_, head_,
                    /*out_offset=*/0, head * head_pad_);
  }
  if (in_norm_) in_norm_->Pack(weights, name + ".in_norm");
  if (out_norm_) out_norm_->Pack(weights, name + ".out_norm");
}

void SelfAttention::Apply(std::span<const int64_t> begins, float* tokens) {
  const int64_t count = begins.back();
  normalized_.Reserve(static_cast<size_t>(count * padded_));
  qkv_.Reserve(static_cast<size_t>(count * qkv_layer_.padded_out()));
  mixed_.Reserve(static_cast<size_t>(count * out_layer_.in()));
  added_.Reserve(static_cast<size_t>(count * padded_));
  const float* x = tokens;
  if (in_norm_) {
    in_norm_->Apply(kernels_, tokens, count, normalized_.data());
    x = normalized_.data();
  }
  qkv_layer_.Apply(kernels_, x, padded_, count, qkv_.data());
  for (size_t i = 0; i + 1 < begins.size(); ++i) {
    for (int64_t head = 0; head < heads_; ++head) Attend(begins[i], begins[i + 1], head);
  }
  out_layer_.Apply(kernels_, mixed_.data(), out_layer_.in(), count, added_.data());
  kernels_.add(added_.data(), count * padded_, tokens);
  if (out_norm_) out_norm_->Apply(kernels_, tokens, count, tokens);
}

void SelfAttention::Attend(int64_t begin, int64_t end, int64_t head) {
  const int64_t count = end - begin, width = PadToPanel(count), stride = qkv_layer_.padded_out();
  const float* queries = qkv_.data() + begin * stride + head * head_pad_;
  const float* keys = queries + heads_ * head_pad_;
  const float* values = keys + heads_ * head_pad_;
  queries_.Reserve(static_cast<size_t>(head_ * width));
  scores_.Reserve(static_cast<size_t>(count * width));
  // With queries in columns, scores are a product and their softmax needs no sums across lanes.
  for (int64_t token = 0; token < count; ++token) {
    for (int64_t i = 0; i < head_; ++i) {
      queries_.data()[i * width + token] = queries[token * stride + i];
    }
  }
  kernels_.product({keys, stride, 1}, count, head_, queries_.data(), width, nullptr, 0,
                   width / kernels::kPanel, scores_.data(), width);
  kernels_.softmax_columns(scores_.data(), count, width);
  kernels_.product({scores_.data(), 1, width}, count, count, values, stride, nullptr, 0,
                   head_pad_ / kernels::kPanel,
                   mixed_.data() + begin * out_layer_.in() + head * head_pad_, out_layer_.in());
}

}  // namespace millrace
