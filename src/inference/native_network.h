// A trunk with the recurrent cell behind it: what one head of a native model, or both, read.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "inference/native_cell.h"
#include "inference/native_trunk.h"
#include "inference/packed_norm.h"

namespace millrace {

// Bound to one thread.
class NativeNetwork {
 public:
  NativeNetwork(const ModelSpec& spec, Network network, const kernels::KernelSet& kernels);

  void Pack(const WeightBlob& weights);
  // [rows, width()]; valid until the next call. state [rows, state_size of the model] is advanced.
  RowMatrix Apply(const TrunkInput& input, float* state);
  int64_t width() const { return width_; }

 private:
  const kernels::KernelSet& kernels_;
  const std::string trunk_name_, cell_name_;
  const int64_t state_offset_, state_stride_;
  const std::unique_ptr<NativeTrunk> trunk_;
  int64_t width_;
  std::unique_ptr<NativeCell> cell_;  // null if not recurrent
  std::optional<PackedNorm> norm_;    // of the cell's output
  AlignedFloats normalized_;
};

}  // namespace millrace
