// The built-in mlp and lstm, forward and backward, in the kernels of kernels/kernels.h.
#pragma once

#include <cstdint>
#include <optional>

#include "backends/native/native_branch.h"
#include "backends/native/native_layer.h"
#include "backends/native/native_layout.h"
#include "backends/native/native_minibatch.h"
#include "kernels/kernels.h"
#include "millrace/inference/model_spec.h"

namespace millrace {

// `parameters` and `gradients` are buffers of layout(). Bound to one thread.
class NativePolicy {
 public:
  // `spec` is of type mlp or lstm.
  NativePolicy(const ModelSpec& spec, const kernels::KernelSet& kernels);

  const NativeLayout& layout() const { return layout_; }
  // Of continuous actions, the last parameter; in parameters and gradients alike.
  int64_t log_std_offset() const { return log_std_offset_; }

  // Outputs of the heads, valid until the next Forward(): [rows, policy_stride] with logits, then
  // means; [rows, value_stride], of which the first column counts.
  struct Heads {
    float* policy = nullptr;
    float* value = nullptr;
    int64_t policy_stride = 0, value_stride = 0;
  };
  Heads Forward(const float* parameters, const NativeMinibatch& batch);
  // Writes `gradients` (but for log_std) from those of the heads, with the strides of the last
  // Forward() and zero in the padding.
  void Backward(const float* parameters, const NativeMinibatch& batch, const float* policy_gradient,
                const float* value_gradient, float* gradients);

 private:
  NativeLayout layout_;
  NativeBranch actor_;  // or the one branch that both heads read
  std::optional<NativeBranch> critic_;
  NativeLayer policy_head_, value_head_;
  const int64_t log_std_offset_;
};

}  // namespace millrace
