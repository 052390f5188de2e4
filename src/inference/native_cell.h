// The recurrent layer of a native model.
#pragma once

#include <memory>
#include <string>

#include "inference/native_trunk.h"

namespace millrace {

// Bound to one thread.
class NativeCell {
 public:
  virtual ~NativeCell() = default;
  // NAME.{weight_ih,weight_hh,bias_ih,bias_hh}
  virtual void Pack(const WeightBlob& weights, const std::string& name) = 0;
  // Row r's state, hidden [size] and then, of an LSTM, cell [size], lies at state + r *
  // state_stride and is replaced. Returns the new hidden states, valid until the next call; padding
  // is 0.
  virtual RowMatrix Apply(const RowMatrix& x, int64_t rows, float* state, int64_t state_stride) = 0;
};

// Null if the model has none. `in`: numbers of x.
std::unique_ptr<NativeCell> MakeNativeCell(const ModelSpec& spec, int64_t in,
                                           const kernels::KernelSet& kernels);

}  // namespace millrace
