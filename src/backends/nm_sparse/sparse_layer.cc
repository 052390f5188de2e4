#include "backends/nm_sparse/sparse_layer.h"

#include <algorithm>

namespace millrace {

SparseLayer::SparseLayer(SparseLayout& layout, const std::string& name,
                         const LayerPatterns& patterns, bool input_gradient,
                         const sparse::KernelSet& kernels)
    : kernels_(kernels),
      name_(name),
      weight_(layout.Add(name + ".weight")),
      bias_(layout.Add(name + ".bias")),
      forward_(out(), in(), patterns.forward, kernels) {
  if (input_gradient) backward_.emplace(in(), out(), patterns.backward, kernels);
}

void SparseLayer::Pack(const float* parameters, bool choose, int64_t part, int64_t parts) {
  const float* w = parameters + weight_.offset;
  const auto pack = [&](sparse::PackedMatrix& packed, int64_t row, int64_t depth) {
    const sparse::MatrixView view = {w, packed.outputs(), packed.inputs(), row, depth};
    const int64_t begin = packed.panels() * part / parts;
    const int64_t end = packed.panels() * (part + 1) / parts;
    choose ? packed.Pack(view, begin, end) : packed.Repack(view, begin, end);
  };
  pack(forward_, in(), 1);
  if (backward_) pack(*backward_, 1, in());
}

void SparseLayer::WriteGradients(const std::byte* g, int64_t g_stride, const std::byte* transposed,
                                 int64_t x_stride, int64_t tiles, int64_t begin, int64_t end,
                                 float* gradients) const {
  // So many at a time that gradients and inputs of one part stay in the second-level cache.
  constexpr int64_t kTilesAtOnce = 16;
  const int64_t feature_bytes = sparse::kTile * sparse::ElementBytes(kernels_.precision);
  float* to = gradients + weight_.offset + begin;
  for (int64_t row = 0; row < out(); ++row) std::fill_n(to + row * in(), end - begin, 0.0F);
  for (int64_t tile = 0; tile < tiles; tile += kTilesAtOnce) {
    kernels_.weight_gradient(g + tile * g_stride, g_stride,
                             transposed + tile * x_stride + begin * feature_bytes, x_stride,
                             std::min(kTilesAtOnce, tiles - tile), out(), end - begin, to, in());
  }
}

void SparseLayer::WriteBiasGradients(const float* sums, int64_t tiles, float* gradients) const {
  float* to = gradients + bias_.offset;
  std::copy_n(sums, out(), to);
  for (int64_t tile = 1; tile < tiles; ++tile) {
    const float* from = sums + tile * padded_out();
    for (int64_t o = 0; o < out(); ++o) to[o] += from[o];
  }
}

}  // namespace millrace
