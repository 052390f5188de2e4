// A fully connected layer, forward and backward, in the kernels of kernels/kernels.h.
#pragma once

#include <cstdint>
#include <string>

#include "backends/native/native_layout.h"
#include "kernels/kernels.h"
#include "kernels/packed_layer.h"

namespace millrace {

// y = x W^T + b over rows: x [rows, in_stride], y [rows, out_stride()]. `parameters` and
// `gradients` are buffers of the layout. Bound to one thread.
class NativeLayer {
 public:
  // Appends `weight` and `bias` to the layout. Outputs are `blocks` parts, each padded by itself.
  NativeLayer(NativeLayout& layout, const std::string& weight, const std::string& bias,
              int64_t in_stride, const kernels::KernelSet& kernels, int64_t blocks = 1);
  // Of NAME.weight and NAME.bias.
  NativeLayer(NativeLayout& layout, const std::string& name, int64_t in_stride,
              const kernels::KernelSet& kernels)
      : NativeLayer(layout, name + ".weight", name + ".bias", in_stride, kernels) {}

  int64_t out_stride() const { return weight_.padded_out(); }
  const float* bias(const float* parameters) const { return parameters + bias_.offset; }

  // y, also output(); valid until the next call.
  float* Forward(const float* parameters, const float* x, int64_t rows);
  float* output() { return output_.data(); }
  const float* output() const { return output_.data(); }
  // y[r] = start[r * start_stride...] + x[r] W^T. `start` may be `y`.
  void Multiply(const float* parameters, const float* x, int64_t rows, const float* start,
                int64_t start_stride, float* y) const;

  // From the gradient of y.
  void WriteGradients(const float* x, const float* gradient, int64_t rows, float* gradients) const;
  // Makes InputGradient() that of these parameters.
  void Transpose(const float* parameters);
  // Writes the gradient of x, added to `start` [rows, in_stride] (null: 0), from that of y.
  // in_stride is a multiple of kPanel.
  void InputGradient(const float* gradient, int64_t rows, const float* start,
                     float* x_gradient) const;
  // Both; the result is valid until the next call.
  float* InputGradient(const float* parameters, const float* gradient, int64_t rows,
                       const float* start);

 private:
  int64_t panels() const { return out_stride() / kernels::kPanel; }

  const kernels::KernelSet& kernels_;
  const int64_t in_stride_;
  const NativeParameter weight_, bias_;
  AlignedFloats output_;          // [rows, out_stride]
  AlignedFloats transposed_;      // [out_stride, in_stride]
  AlignedFloats input_gradient_;  // [rows, in_stride]
};

}  // namespace millrace
