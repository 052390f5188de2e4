// The built-in mlp, forward and backward, in the kernels of inference/kernels.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "inference/kernels.h"
#include "inference/packed_layer.h"
#include "millrace/inference/model_spec.h"

namespace millrace {

// Parameters, gradients and Adam's moments lie in buffers of size() floats in a layout of its own:
// per layer the weights transposed, [in, padded out], then the bias [padded out]; at the end
// log_std. Padding stays zero. Import and Export translate from and to the order of
// ParameterLayout. Thread-compatible.
class NativeMlp {
 public:
  // `spec` is of type mlp.
  NativeMlp(const ModelSpec& spec, const kernels::KernelSet& kernels);

  int64_t size() const { return size_; }
  int64_t num_features() const { return num_features_; }
  void Import(std::span<const float> flat, float* native) const;
  void Export(const float* native, std::span<float> flat) const;
  // Of continuous actions; in parameters and gradients alike.
  int64_t log_std_offset() const { return log_std_offset_; }

  // Outputs of the heads, valid until the next Forward(): [rows, policy_stride] with logits, then
  // means; [rows, value_stride], of which the first column counts.
  struct Heads {
    float* policy = nullptr;
    float* value = nullptr;
    int64_t policy_stride = 0, value_stride = 0;
  };
  // features [rows, num_features()].
  Heads Forward(const float* parameters, const float* features, int64_t rows);
  // Writes `gradients` (but for log_std) from those of the heads, with the strides of the last
  // Forward() and zero in the padding.
  void Backward(const float* parameters, const float* features, int64_t rows,
                const float* policy_gradient, const float* value_gradient, float* gradients);

 private:
  struct Layer {
    int64_t in = 0, out = 0;
    int64_t in_stride = 0, out_stride = 0;  // of a row of inputs and of outputs
    int64_t weight = 0, bias = 0;           // offsets in the native layout
    size_t flat_weight = 0, flat_bias = 0;  // offsets in the flat one
    AlignedFloats output;                   // [rows, out_stride], after the activation
    AlignedFloats input_gradient;           // [rows, in_stride]
    AlignedFloats untransposed;             // [out, in_stride], for the gradient of the input
    int64_t panels() const { return out_stride / kernels::kPanel; }
  };
  using Trunk = std::vector<Layer>;

  // Calls pair(offset in the flat layout, offset in the native one) for every parameter.
  template <typename Pair>
  void PairUp(Pair pair) const;
  Layer MakeLayer(const ParameterLayout& layout, const std::string& name, int64_t in_stride);
  Trunk MakeTrunk(const ParameterLayout& layout, const std::string& name, size_t layers);
  void Apply(Layer& layer, const float* parameters, const float* x, int64_t rows) const;
  const float* ApplyTrunk(Trunk& trunk, const float* parameters, const float* x,
                          int64_t rows) const;
  void WriteGradients(const Layer& layer, const float* x, const float* gradient, int64_t rows,
                      float* gradients) const;
  // The gradient of the layer's input, added to `start` (may be null).
  float* InputGradient(Layer& layer, const float* parameters, const float* gradient, int64_t rows,
                       const float* start) const;
  void BackwardTrunk(Trunk& trunk, const float* parameters, const float* features, int64_t rows,
                     float* gradient, float* gradients) const;

  const kernels::KernelSet& kernels_;
  const Activation activation_;
  const int64_t num_features_;
  const bool shared_;
  int64_t size_ = 0;
  int64_t log_std_offset_ = 0, log_std_size_ = 0;
  size_t flat_log_std_ = 0;
  Trunk actor_, critic_;  // the critic's is empty if there is one trunk
  Layer policy_head_, value_head_;
};

}  // namespace millrace
