#include "inference/dense_stack.h"

#include "absl/strings/str_cat.h"

namespace millrace {

void Activate(const kernels::KernelSet& kernels, Activation activation, float* x, int64_t size) {
  (activation == Activation::kTanh ? kernels.tanh : kernels.relu)(x, size);
}

DenseStack::DenseStack(int64_t in, const std::vector<int64_t>& hidden, Activation activation,
                       bool layer_norm, const kernels::KernelSet& kernels)
    : kernels_(kernels), activation_(activation), width_(in) {
  for (int64_t width : hidden) {
    layers_.emplace_back(width_, width);
    if (layer_norm) norms_.emplace_back(width);
    width_ = width;
  }
}

void DenseStack::Pack(const WeightBlob& weights, const std::string& name) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    weights.PackLinear(absl::StrCat(name, ".", i), layers_[i]);
    if (!norms_.empty()) norms_[i].Pack(weights, absl::StrCat(name, ".norm.", i));
  }
}

RowMatrix DenseStack::Apply(RowMatrix x, int64_t rows) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    const int64_t size = rows * layers_[i].padded_out();
    AlignedFloats& buffer = buffers_[i % 2];
    buffer.Reserve(static_cast<size_t>(size));
    layers_[i].Apply(kernels_, x.data, x.stride, rows, buffer.data());
    Activate(kernels_, activation_, buffer.data(), size);
    if (!norms_.empty()) norms_[i].Apply(kernels_, buffer.data(), rows, buffer.data());
    x = {buffer.data(), layers_[i].padded_out()};
  }
  return x;
}

}  // namespace millrace
