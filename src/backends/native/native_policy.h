// The built-in mlp and lstm, forward and backward, in the kernels of kernels/kernels.h.
#pragma once

#include <cstdint>
#include <optional>

#include "backends/native/native_branch.h"
#include "backends/native/native_layer.h"
#include "backends/native/native_layout.h"
#include "backends/native/row_network.h"
#include "kernels/kernels.h"
#include "millrace/inference/model_spec.h"

namespace millrace {

// Bound to one thread.
class NativePolicy final : public RowNetwork {
 public:
  // `spec` is of type mlp or lstm.
  NativePolicy(const ModelSpec& spec, const kernels::KernelSet& kernels);

  int64_t size() const override { return layout_.size(); }
  void Import(std::span<const float> flat, float* own) const override { layout_.Import(flat, own); }
  void Export(const float* own, std::span<float> flat) const override { layout_.Export(own, flat); }
  int64_t log_std_offset() const override { return log_std_offset_; }
  Heads Forward(const float* parameters, const NativeMinibatch& batch) override;
  void Backward(const float* parameters, const NativeMinibatch& batch, const float* policy_gradient,
                const float* value_gradient, float* gradients) override;
  void Step(const kernels::AdamStep& step, const AdamBuffers& buffers) override;

 private:
  const kernels::KernelSet& kernels_;
  NativeLayout layout_;
  NativeBranch actor_;  // or the one branch that both heads read
  std::optional<NativeBranch> critic_;
  NativeLayer policy_head_, value_head_;
  const int64_t log_std_offset_;
};

}  // namespace millrace
