// The weights that a native model loaded last.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "kernels/packed_layer.h"
#include "millrace/inference/model_spec.h"

namespace millrace {

// Thread-compatible.
class WeightBlob {
 public:
  explicit WeightBlob(ParameterLayout layout) : layout_(std::move(layout)) {}

  // kInvalidArgument if the size is wrong.
  absl::Status Load(std::span<const std::byte> blob);

  const ParameterLayout& layout() const { return layout_; }
  bool empty() const { return weights_.empty(); }
  // All of them, to be written by somebody else.
  std::span<float> Fill() {
    weights_.resize(layout_.num_floats());
    return weights_;
  }
  // Empty if there is no such entry.
  std::span<const float> Tensor(std::string_view name) const;
  // Fills `layer` from NAME.weight [out, layer.in()] and NAME.bias.
  void PackLinear(const std::string& name, PackedLayer& layer) const;

 private:
  const ParameterLayout layout_;
  std::vector<float> weights_;
};

}  // namespace millrace
