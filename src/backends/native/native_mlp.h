// The built-in mlp, forward and backward, in the kernels of inference/kernels.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backends/native/native_layer.h"
#include "backends/native/native_layout.h"
#include "inference/kernels.h"
#include "millrace/inference/model_spec.h"

namespace millrace {

// `parameters` and `gradients` are buffers of layout(). Thread-compatible.
class NativeMlp {
 public:
  // `spec` is of type mlp.
  NativeMlp(const ModelSpec& spec, const kernels::KernelSet& kernels);

  const NativeLayout& layout() const { return layout_; }
  // Of continuous actions; in parameters and gradients alike.
  int64_t log_std_offset() const { return log_std_offset_; }

  // Outputs of the heads, valid until the next Forward(): [rows, policy_stride] with logits, then
  // means; [rows, value_stride], of which the first column counts.
  struct Heads {
    float* policy = nullptr;
    float* value = nullptr;
    int64_t policy_stride = 0, value_stride = 0;
  };
  // features [rows, num_features of the spec].
  Heads Forward(const float* parameters, const float* features, int64_t rows);
  // Writes `gradients` (but for log_std) from those of the heads, with the strides of the last
  // Forward() and zero in the padding.
  void Backward(const float* parameters, const float* features, int64_t rows,
                const float* policy_gradient, const float* value_gradient, float* gradients);

 private:
  using Trunk = std::vector<NativeLayer>;

  Trunk MakeTrunk(const std::string& name);
  int64_t WidthOf(const Trunk& trunk) const;
  const float* ApplyTrunk(Trunk& trunk, const float* parameters, const float* x,
                          int64_t rows) const;
  void BackwardTrunk(Trunk& trunk, const float* parameters, const float* features, int64_t rows,
                     float* gradient, float* gradients) const;

  const kernels::KernelSet& kernels_;
  const ModelSpec spec_;
  NativeLayout layout_;
  Trunk actor_, critic_;  // the critic's is empty if there is one trunk
  NativeLayer policy_head_, value_head_;
  const int64_t log_std_offset_;
};

}  // namespace millrace
