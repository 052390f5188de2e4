// A fully connected layer whose products are N:M-sparse: BDWP, Fang et al. 2023 (arXiv:2309.13015).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "backends/nm_sparse/sparse_layout.h"
#include "inference/sparsity.h"
#include "sparse/packed_matrix.h"

namespace millrace {

// y = W x + b over tiles (sparse/sparse_kernels.h). `parameters` and `gradients` are buffers of the
// layout. Thread-compatible.
class SparseLayer {
 public:
  // Of NAME.weight [out, in] and NAME.bias. Without `input_gradient` that is not computed.
  SparseLayer(SparseLayout& layout, const std::string& name, const LayerPatterns& patterns,
              bool input_gradient, const sparse::KernelSet& kernels);

  const std::string& name() const { return name_; }
  int64_t in() const { return weight_.columns; }
  int64_t out() const { return weight_.rows; }
  int64_t panels() const { return forward_.panels(); }
  // Features of the output with those that fill up the last panel.
  int64_t padded_out() const { return forward_.padded_outputs(); }
  // In parameters and gradients alike.
  int64_t bias_offset() const { return bias_.offset; }
  const sparse::PackedMatrix& forward() const { return forward_; }
  // With `input_gradient` alone.
  const sparse::PackedMatrix& backward() const { return *backward_; }

  // Chooses weights (or keeps those chosen before) and packs them: the panels of both forms that
  // are number `part` of `parts`.
  void Pack(const float* parameters, bool choose, int64_t part, int64_t parts);

  // From the gradients g of `tiles` outputs, `g_stride` bytes apart, and the transposed inputs: the
  // gradients of the weights of inputs [begin, end), begin a multiple of sparse::kPanel.
  void WriteGradients(const std::byte* g, int64_t g_stride, const std::byte* transposed,
                      int64_t x_stride, int64_t tiles, int64_t begin, int64_t end,
                      float* gradients) const;
  // From sums over tiles [tiles, padded_out()].
  void WriteBiasGradients(const float* sums, int64_t tiles, float* gradients) const;

 private:
  const sparse::KernelSet& kernels_;
  const std::string name_;
  const SparseParameter weight_, bias_;
  sparse::PackedMatrix forward_;
  std::optional<sparse::PackedMatrix> backward_;
};

}  // namespace millrace
