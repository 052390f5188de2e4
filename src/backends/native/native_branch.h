// The hidden layers that one head of a policy, or both, read, while our own kernels train them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "backends/native/native_layer.h"
#include "backends/native/native_layout.h"
#include "backends/native/native_lstm.h"
#include "backends/native/native_minibatch.h"
#include "kernels/kernels.h"
#include "millrace/inference/model_spec.h"

namespace millrace {

// Dense layers, an activation after each, and behind them the LSTM of a recurrent model. Bound to
// one thread.
class NativeBranch {
 public:
  // Appends its parameters to the layout. `spec` is of type mlp or lstm.
  NativeBranch(const ModelSpec& spec, Network network, NativeLayout& layout,
               const kernels::KernelSet& kernels);

  // Whether the input is the output.
  bool empty() const { return layers_.empty() && !lstm_; }
  int64_t out_stride() const { return lstm_ ? lstm_->out_stride() : TrunkStride(); }

  // [rows, out_stride()]; valid until the next call.
  const float* Forward(const float* parameters, const NativeMinibatch& batch);
  // What the last Forward() returned.
  const float* Output(const NativeMinibatch& batch) const;
  // Writes `gradients` from that of the output, which it overwrites.
  void Backward(const float* parameters, const NativeMinibatch& batch, float* gradient,
                float* gradients);

 private:
  int64_t TrunkStride() const;
  const float* FirstInput(const NativeMinibatch& batch) const;
  // Inputs of layer `i`, or of what is behind the last one.
  const float* Input(size_t i, const NativeMinibatch& batch) const;

  const kernels::KernelSet& kernels_;
  const Activation activation_;
  const Network network_;
  const int64_t width_;  // of the input
  std::vector<NativeLayer> layers_;
  std::optional<NativeLstm> lstm_;
};

}  // namespace millrace
