// One fully connected layer, packed for the kernels.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/aligned_buffer.h"
#include "kernels/kernels.h"

namespace millrace {

// The next multiple of kernels::kPanel.
inline int64_t PadToPanel(int64_t size) {
  return (size + kernels::kPanel - 1) / kernels::kPanel * kernels::kPanel;
}

// Thread-compatible.
class PackedLayer {
 public:
  PackedLayer() = default;
  PackedLayer(int64_t in, int64_t out);

  // weight [out, in] and bias [out] in LibTorch's convention. The result is stored from output
  // `out_offset` and input `in_offset` on; biases are added to what is there.
  void Pack(std::span<const float> weight, std::span<const float> bias, int64_t rows,
            int64_t columns, int64_t out_offset = 0, int64_t in_offset = 0);
  void Clear();

  // y [rows, padded_out()]; x [rows, in] with row distance `x_stride`.
  void Apply(const kernels::KernelSet& kernels, const float* x, int64_t x_stride, int64_t rows,
             float* y) const;
  // The same of windows of in() floats.
  void Apply(const kernels::KernelSet& kernels, const kernels::Windows& windows, float* y) const;

  int64_t in() const { return in_; }
  int64_t padded_out() const { return panels_ * kernels::kPanel; }

 private:
  int64_t in_ = 0;
  int64_t panels_ = 0;
  AlignedFloats weights_;  // [panels, in, kPanel]
  AlignedFloats bias_;     // [panels * kPanel]
};

}  // namespace millrace
