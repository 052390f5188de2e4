#include "inference/mlp_trunk.h"

#include "absl/strings/str_cat.h"

namespace millrace {

MlpTrunk::MlpTrunk(int64_t in, const std::vector<int64_t>& hidden, Activation activation,
                   const kernels::KernelSet& kernels)
    : kernels_(kernels), in_(in), activation_(activation), width_(in) {
  for (int64_t width : hidden) {
    layers_.emplace_back(width_, width);
    width_ = width;
  }
}

void MlpTrunk::Pack(const WeightBlob& weights, const std::string& name) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    weights.PackLinear(absl::StrCat(name, ".", i), layers_[i]);
  }
}

RowMatrix MlpTrunk::Apply(const TrunkInput& input) {
  RowMatrix x{input.features, in_};
  for (size_t i = 0; i < layers_.size(); ++i) {
    const int64_t size = input.rows * layers_[i].padded_out();
    AlignedFloats& buffer = buffers_[i % 2];
    buffer.Reserve(static_cast<size_t>(size));
    layers_[i].Apply(kernels_, x.data, x.stride, input.rows, buffer.data());
    (activation_ == Activation::kTanh ? kernels_.tanh : kernels_.relu)(buffer.data(), size);
    x = {buffer.data(), layers_[i].padded_out()};
  }
  return x;
}

}  // namespace millrace
