// Fully connected layers, an activation after each, and layer normalisation behind that if wanted.
#pragma once

#include <string>
#include <vector>

#include "inference/native_trunk.h"
#include "inference/packed_norm.h"
#include "millrace/inference/model_spec.h"

namespace millrace {

// The activation, in place over `size` floats, a multiple of kernels::kPanel.
void Activate(const kernels::KernelSet& kernels, Activation activation, float* x, int64_t size);

// Bound to one thread.
class DenseStack {
 public:
  DenseStack(int64_t in, const std::vector<int64_t>& hidden, Activation activation, bool layer_norm,
             const kernels::KernelSet& kernels);

  // NAME.I.{weight,bias}, NAME.norm.I.{weight,bias}
  void Pack(const WeightBlob& weights, const std::string& name);
  // [rows, width()]; valid until the next call.
  RowMatrix Apply(RowMatrix x, int64_t rows);
  int64_t width() const { return width_; }

 private:
  const kernels::KernelSet& kernels_;
  const Activation activation_;
  int64_t width_;
  std::vector<PackedLayer> layers_;
  std::vector<PackedNorm> norms_;  // one a layer, or none
  AlignedFloats buffers_[2];
};

}  // namespace millrace
