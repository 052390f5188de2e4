#include "backends/native/native_mlp.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "inference/dense_stack.h"
#include "millrace/core/check.h"
#include "millrace/data/schema.h"

namespace millrace {

NativeMlp::NativeMlp(const ModelSpec& spec, const kernels::KernelSet& kernels)
    : kernels_(kernels),
      activation_(spec.activation),
      num_features_(spec.num_features()),
      shared_(spec.shared_trunk) {
  const ParameterLayout layout(spec);
  actor_ = MakeTrunk(layout, shared_ ? "trunk" : "actor", spec.hidden.size());
  if (!shared_) critic_ = MakeTrunk(layout, "critic", spec.hidden.size());
  const int64_t hidden = actor_.empty() ? num_features_ : actor_.back().out_stride;
  policy_head_ = MakeLayer(layout, "policy_head", hidden);
  value_head_ = MakeLayer(layout, "value_head", hidden);
  log_std_offset_ = size_;
  log_std_size_ = spec.action.continuous_size();
  if (const ParameterEntry* entry = layout.Find("log_std")) flat_log_std_ = entry->offset;
  size_ += PadToPanel(log_std_size_);
}

NativeMlp::Layer NativeMlp::MakeLayer(const ParameterLayout& layout, const std::string& name,
                                      int64_t in_stride) {
  const ParameterEntry* weight = layout.Find(name + ".weight");
  const ParameterEntry* bias = layout.Find(name + ".bias");
  MILLRACE_CHECK(weight != nullptr && bias != nullptr, "no such layer");
  Layer layer;
  layer.out = weight->shape[0];
  layer.in = weight->shape[1];
  layer.in_stride = in_stride;
  layer.out_stride = PadToPanel(layer.out);
  layer.flat_weight = weight->offset;
  layer.flat_bias = bias->offset;
  layer.weight = size_;
  layer.bias = layer.weight + layer.in * layer.out_stride;
  size_ = layer.bias + layer.out_stride;
  return layer;
}

NativeMlp::Trunk NativeMlp::MakeTrunk(const ParameterLayout& layout, const std::string& name,
                                      size_t layers) {
  Trunk trunk;
  int64_t stride = num_features_;
  for (size_t i = 0; i < layers; ++i) {
    trunk.push_back(MakeLayer(layout, absl::StrCat(name, ".", i), stride));
    stride = trunk.back().out_stride;
  }
  return trunk;
}

template <typename Pair>
void NativeMlp::PairUp(Pair pair) const {
  const auto pair_layer = [&](const Layer& layer) {
    for (int64_t out = 0; out < layer.out; ++out) {
      for (int64_t in = 0; in < layer.in; ++in) {
        pair(layer.flat_weight + static_cast<size_t>(out * layer.in + in),
             layer.weight + in * layer.out_stride + out);
      }
      pair(layer.flat_bias + static_cast<size_t>(out), layer.bias + out);
    }
  };
  std::ranges::for_each(actor_, pair_layer);
  std::ranges::for_each(critic_, pair_layer);
  pair_layer(policy_head_);
  pair_layer(value_head_);
  for (int64_t i = 0; i < log_std_size_; ++i) {
    pair(flat_log_std_ + static_cast<size_t>(i), log_std_offset_ + i);
  }
}

void NativeMlp::Import(std::span<const float> flat, float* native) const {
  std::fill_n(native, size_, 0.0F);
  PairUp([&](size_t from, int64_t to) { native[to] = flat[from]; });
}

void NativeMlp::Export(const float* native, std::span<float> flat) const {
  PairUp([&](size_t to, int64_t from) { flat[to] = native[from]; });
}

void NativeMlp::Apply(Layer& layer, const float* parameters, const float* x, int64_t rows) const {
  layer.output.Reserve(static_cast<size_t>(rows * layer.out_stride));
  kernels_.product({x, layer.in_stride, 1}, rows, layer.in, parameters + layer.weight,
                   layer.out_stride, parameters + layer.bias, /*start_stride=*/0, layer.panels(),
                   layer.output.data(), layer.out_stride);
}

const float* NativeMlp::ApplyTrunk(Trunk& trunk, const float* parameters, const float* x,
                                   int64_t rows) const {
  for (Layer& layer : trunk) {
    Apply(layer, parameters, x, rows);
    Activate(kernels_, activation_, layer.output.data(), rows * layer.out_stride);
    x = layer.output.data();
  }
  return x;
}

NativeMlp::Heads NativeMlp::Forward(const float* parameters, const float* features, int64_t rows) {
  const float* hidden = ApplyTrunk(actor_, parameters, features, rows);
  Apply(policy_head_, parameters, hidden, rows);
  if (!shared_) hidden = ApplyTrunk(critic_, parameters, features, rows);
  Apply(value_head_, parameters, hidden, rows);
  return {.policy = policy_head_.output.data(),
          .value = value_head_.output.data(),
          .policy_stride = policy_head_.out_stride,
          .value_stride = value_head_.out_stride};
}

void NativeMlp::WriteGradients(const Layer& layer, const float* x, const float* gradient,
                               int64_t rows, float* gradients) const {
  kernels_.product({x, 1, layer.in_stride}, layer.in, rows, gradient, layer.out_stride,
                   /*start=*/nullptr, 0, layer.panels(), gradients + layer.weight,
                   layer.out_stride);
  kernels_.column_sums(gradient, layer.out_stride, rows, layer.panels(), gradients + layer.bias);
}

float* NativeMlp::InputGradient(Layer& layer, const float* parameters, const float* gradient,
                                int64_t rows, const float* start) const {
  layer.untransposed.Reserve(static_cast<size_t>(layer.out * layer.in_stride));
  const float* weights = parameters + layer.weight;
  for (int64_t out = 0; out < layer.out; ++out) {
    float* row = layer.untransposed.data() + out * layer.in_stride;
    for (int64_t in = 0; in < layer.in; ++in) row[in] = weights[in * layer.out_stride + out];
  }
  layer.input_gradient.Reserve(static_cast<size_t>(rows * layer.in_stride));
  kernels_.product({gradient, layer.out_stride, 1}, rows, layer.out, layer.untransposed.data(),
                   layer.in_stride, start, layer.in_stride, layer.in_stride / kernels::kPanel,
                   layer.input_gradient.data(), layer.in_stride);
  return layer.input_gradient.data();
}

void NativeMlp::BackwardTrunk(Trunk& trunk, const float* parameters, const float* features,
                              int64_t rows, float* gradient, float* gradients) const {
  for (size_t i = trunk.size(); i-- > 0;) {
    Layer& layer = trunk[i];
    (activation_ == Activation::kTanh ? kernels_.tanh_backward : kernels_.relu_backward)(
        layer.output.data(), gradient, rows * layer.out_stride);
    WriteGradients(layer, i == 0 ? features : trunk[i - 1].output.data(), gradient, rows,
                   gradients);
    if (i > 0) gradient = InputGradient(layer, parameters, gradient, rows, nullptr);
  }
}

void NativeMlp::Backward(const float* parameters, const float* features, int64_t rows,
                         const float* policy_gradient, const float* value_gradient,
                         float* gradients) {
  const Trunk& value_trunk = shared_ ? actor_ : critic_;
  const auto last = [&](const Trunk& trunk) {
    return trunk.empty() ? features : trunk.back().output.data();
  };
  WriteGradients(policy_head_, last(actor_), policy_gradient, rows, gradients);
  WriteGradients(value_head_, last(value_trunk), value_gradient, rows, gradients);
  if (actor_.empty()) return;
  float* gradient = InputGradient(policy_head_, parameters, policy_gradient, rows, nullptr);
  if (shared_) {
    gradient = InputGradient(value_head_, parameters, value_gradient, rows, gradient);
  } else {
    BackwardTrunk(critic_, parameters, features, rows,
                  InputGradient(value_head_, parameters, value_gradient, rows, nullptr), gradients);
  }
  BackwardTrunk(actor_, parameters, features, rows, gradient, gradients);
}

}  // namespace millrace
