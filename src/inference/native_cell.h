// The recurrent layer of a native model.
#pragma once

#include <string>

#include "inference/native_trunk.h"

namespace millrace {

// An LSTM layer or, with `gru`, one of gated recurrent units. Bound to one thread.
class NativeCell {
 public:
  NativeCell(int64_t in, int64_t size, bool gru, const kernels::KernelSet& kernels);

  // NAME.{weight_ih,weight_hh,bias_ih,bias_hh}
  void Pack(const WeightBlob& weights, const std::string& name);
  // Row r's state, hidden [size] and then, of an LSTM, cell [size], lies at state + r *
  // state_stride and is replaced. Returns the new hidden states, valid until the next call; padding
  // is 0.
  RowMatrix Apply(const RowMatrix& x, int64_t rows, float* state, int64_t state_stride);

 private:
  const kernels::KernelSet& kernels_;
  const int64_t in_, size_, padded_;
  const bool gru_;
  PackedLayer gates_layer_;  // [x, hidden] -> four gates in the order of the kernel
  AlignedFloats input_, gates_, hidden_, cell_;
};

}  // namespace millrace
