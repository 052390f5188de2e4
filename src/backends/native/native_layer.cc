#include "backends/native/native_layer.h"

namespace millrace {

NativeLayer::NativeLayer(NativeLayout& layout, const std::string& weight, const std::string& bias,
                         int64_t in_stride, const kernels::KernelSet& kernels, int64_t blocks)
    : kernels_(kernels),
      in_stride_(in_stride),
      weight_(layout.Add(weight, blocks)),
      bias_(layout.Add(bias, blocks)) {}

float* NativeLayer::Forward(const float* parameters, const float* x, int64_t rows) {
  output_.Reserve(static_cast<size_t>(rows * out_stride()));
  Multiply(parameters, x, rows, bias(parameters), /*start_stride=*/0, output_.data());
  return output_.data();
}

void NativeLayer::Multiply(const float* parameters, const float* x, int64_t rows,
                           const float* start, int64_t start_stride, float* y) const {
  kernels_.product({x, in_stride_, 1}, rows, weight_.in, parameters + weight_.offset, out_stride(),
                   start, start_stride, panels(), y, out_stride());
}

void NativeLayer::WriteGradients(const float* x, const float* gradient, int64_t rows,
                                 float* gradients) const {
  kernels_.product({x, 1, in_stride_}, weight_.in, rows, gradient, out_stride(),
                   /*start=*/nullptr, 0, panels(), gradients + weight_.offset, out_stride());
  kernels_.column_sums(gradient, out_stride(), rows, panels(), gradients + bias_.offset);
}

void NativeLayer::Transpose(const float* parameters) {
  transposed_.Reserve(static_cast<size_t>(out_stride() * in_stride_));
  // Panel by panel, so that lines of both matrices are used while they are in the cache.
  for (int64_t column = 0; column < out_stride(); column += kernels::kPanel) {
    const float* from = parameters + weight_.offset + column;
    float* to = transposed_.data() + column * in_stride_;
    for (int64_t in = 0; in < weight_.in; ++in, from += out_stride(), ++to) {
      for (int64_t out = 0; out < kernels::kPanel; ++out) to[out * in_stride_] = from[out];
    }
  }
}

void NativeLayer::InputGradient(const float* gradient, int64_t rows, const float* start,
                                float* x_gradient) const {
  // The padding behind the last output is left out, that between blocks adds zeros.
  const int64_t depth = weight_.column(weight_.out - 1) + 1;
  kernels_.product({gradient, out_stride(), 1}, rows, depth, transposed_.data(), in_stride_, start,
                   in_stride_, in_stride_ / kernels::kPanel, x_gradient, in_stride_);
}

float* NativeLayer::InputGradient(const float* parameters, const float* gradient, int64_t rows,
                                  const float* start) {
  Transpose(parameters);
  input_gradient_.Reserve(static_cast<size_t>(rows * in_stride_));
  InputGradient(gradient, rows, start, input_gradient_.data());
  return input_gradient_.data();
}

}  // namespace millrace
