// An LSTM layer, forward over chunks of steps and backward through time.
#pragma once

#include <cstdint>
#include <string>

#include "backends/native/native_layer.h"
#include "backends/native/native_layout.h"
#include "backends/native/native_minibatch.h"
#include "kernels/kernels.h"

namespace millrace {

// What depends on the input alone is computed for all steps at once, and so are the gradients of
// the weights; only the product of the hidden state goes step by step. No gradient flows beyond a
// chunk or a restart. Bound to one thread.
class NativeLstm {
 public:
  // Appends NAME.{weight_ih,weight_hh,bias_ih,bias_hh} to the layout. Rows of the input are
  // `in_stride` apart.
  NativeLstm(NativeLayout& layout, const std::string& name, int64_t size, int64_t in_stride,
             const kernels::KernelSet& kernels);

  int64_t out_stride() const { return padded_; }

  // x [rows, in_stride]. Hidden states [rows, out_stride()], also output(); valid until the next
  // call.
  const float* Forward(const float* parameters, const float* x, const NativeMinibatch& batch);
  const float* output() const { return hidden_.data(); }
  // From the gradient of the hidden states that Forward() returned last.
  void Backward(const float* parameters, const float* x, const NativeMinibatch& batch,
                const float* gradient, float* gradients);
  // The gradient of x [rows, in_stride], after Backward(); in_stride is a multiple of kPanel.
  float* InputGradient(const float* parameters, const NativeMinibatch& batch);

 private:
  void Reserve(const NativeMinibatch& batch);
  // Writes what the cells have before `step`.
  void Enter(const NativeMinibatch& batch, int64_t step);
  // The gradient of the hidden states before `step`, of which `gradient` is what does not come from
  // `step` itself.
  void Leave(const NativeMinibatch& batch, int64_t step, const float* gradient);

  const kernels::KernelSet& kernels_;
  const int64_t size_, padded_;
  NativeLayer input_, recurrent_;
  AlignedFloats bias_;  // the sum of both
  // Per row of the minibatch; before a step, and after it. Padding is 0.
  AlignedFloats gates_;  // [rows, 4, padded]: after activation; from Backward() on their gradients
  AlignedFloats previous_hidden_, previous_cell_, hidden_, cell_;
  AlignedFloats hidden_gradient_, cell_gradient_;  // [chunks, padded], of the step at hand
};

}  // namespace millrace
