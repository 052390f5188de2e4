#include "inference/circular_convolution.h"

#include <algorithm>

#include "inference/dense_stack.h"

namespace millrace {

CircularConvolution::CircularConvolution(int64_t length, int64_t in, int64_t channels,
                                         int64_t width, Activation activation,
                                         const kernels::KernelSet& kernels)
    : kernels_(kernels),
      length_(length),
      in_(in),
      channels_(channels),
      width_(width),
      activation_(activation),
      layer_(width * in, channels) {
  unrolled_.Reserve(static_cast<size_t>((length + width - 1) * in));
  out_.Reserve(static_cast<size_t>(length * layer_.padded_out()));
}

void CircularConvolution::Pack(const WeightBlob& weights, const std::string& name) {
  const auto weight = weights.Tensor(name + ".weight");
  std::vector<float> by_window(weight.size());  // [channels, width, in]
  for (int64_t o = 0; o < channels_; ++o) {
    for (int64_t c = 0; c < in_; ++c) {
      for (int64_t k = 0; k < width_; ++k) {
        by_window[static_cast<size_t>((o * width_ + k) * in_ + c)] =
            weight[static_cast<size_t>((o * in_ + c) * width_ + k)];
      }
    }
  }
  layer_.Clear();
  layer_.Pack(by_window, weights.Tensor(name + ".bias"), channels_, width_ * in_);
}

void CircularConvolution::Apply(const float* x, float* y) {
  const int64_t before = (width_ - 1) / 2, after = width_ - 1 - before;
  float* unrolled = unrolled_.data();
  unrolled = std::copy_n(x + (length_ - before) * in_, before * in_, unrolled);
  unrolled = std::copy_n(x, length_ * in_, unrolled);
  std::copy_n(x, after * in_, unrolled);
  layer_.Apply(kernels_, unrolled_.data(), in_, length_, out_.data());
  const int64_t stride = layer_.padded_out();
  Activate(kernels_, activation_, out_.data(), length_ * stride);
  for (int64_t p = 0; p < length_; ++p) {
    std::copy_n(out_.data() + p * stride, channels_, y + p * channels_);
  }
}

}  // namespace millrace
