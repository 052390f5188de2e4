#include "inference/convolution.h"

#include "inference/dense_stack.h"

namespace millrace {

Convolution::Convolution(const ConvolutionShape& shape, int64_t pixel_stride, Activation activation,
                         const kernels::KernelSet& kernels)
    : kernels_(kernels),
      shape_(shape),
      activation_(activation),
      layer_(shape.kernel * shape.kernel * shape.channels, shape.filters) {
  const auto at = [&](int64_t y, int64_t x) { return (y * shape.width + x) * pixel_stride; };
  for (int64_t y = 0; y < shape.out_height(); ++y) {
    for (int64_t x = 0; x < shape.out_width(); ++x) {
      offsets_.push_back(at(y * shape.stride, x * shape.stride));
    }
  }
  for (int64_t y = 0; y < shape.kernel; ++y) {
    for (int64_t x = 0; x < shape.kernel; ++x) {
      for (int64_t c = 0; c < shape.channels; ++c) inputs_.push_back(at(y, x) + c);
    }
  }
}

void Convolution::Pack(const WeightBlob& weights, const std::string& name, float scale) {
  const auto weight = weights.Tensor(name + ".weight");
  const int64_t area = shape_.kernel * shape_.kernel, in = area * shape_.channels;
  std::vector<float> by_window(static_cast<size_t>(shape_.filters * in));
  for (int64_t o = 0; o < shape_.filters; ++o) {
    for (int64_t c = 0; c < shape_.channels; ++c) {
      for (int64_t k = 0; k < area; ++k) {
        by_window[static_cast<size_t>(o * in + k * shape_.channels + c)] =
            scale * weight[static_cast<size_t>((o * shape_.channels + c) * area + k)];
      }
    }
  }
  layer_.Clear();
  layer_.Pack(by_window, weights.Tensor(name + ".bias"), shape_.filters, in);
}

void Convolution::Apply(const float* image, float* y) const {
  const kernels::Windows windows{.x = image,
                                 .offsets = offsets_.data(),
                                 .count = shape_.positions(),
                                 .inputs = inputs_.data(),
                                 .in = layer_.in()};
  layer_.Apply(kernels_, windows, y);
  Activate(kernels_, activation_, y, shape_.positions() * layer_.padded_out());
}

}  // namespace millrace
