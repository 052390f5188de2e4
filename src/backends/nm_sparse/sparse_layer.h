// A fully connected layer whose products are N:M-sparse: BDWP, Fang et al. 2023 (arXiv:2309.13015).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "backends/native/row_network.h"
#include "backends/nm_sparse/sparse_layout.h"
#include "inference/sparsity.h"
#include "sparse/packed_matrix.h"

namespace millrace {

// y = W x + b over tiles (sparse/sparse_kernels.h). `parameters` and `gradients` are buffers of the
// layout. Thread-compatible.
class SparseLayer {
 public:
  // Of NAME.weight [out, in] and NAME.bias. Without `input_gradient` that is not computed.
  SparseLayer(SparseLayout& layout, const std::string& name, const Sparsity& sparsity,
              bool input_gradient, const sparse::KernelSet& kernels);

  const std::string& name() const { return name_; }
  int64_t in() const { return weight_.columns; }
  bool is_convolution() const { return weight_.is_convolution; }
  int64_t out() const { return weight_.rows; }
  int64_t panels() const { return forward_.panels(); }
  // Features of the output with those that fill up the last panel.
  int64_t padded_out() const { return forward_.padded_outputs(); }
  // In parameters and gradients alike.
  int64_t weight_offset() const { return weight_.offset; }
  int64_t weight_stride() const { return weight_.stride; }  // of rows
  int64_t bias_offset() const { return bias_.offset; }

  // Whether all weights take part for now; Pack() must follow.
  void SetDense(bool dense) { dense_ = dense; }
  // As Sparsity::decay from now on; of layers that have some.
  void SetDecay(double decay) { decay_ = static_cast<float>(decay); }
  // What computes.
  const sparse::PackedMatrix& forward() const {
    return dense_ && dense_forward_ ? *dense_forward_ : forward_;
  }
  bool has_backward() const { return backward_ || dense_backward_; }
  // With `input_gradient` alone.
  const sparse::PackedMatrix& backward() const {
    return dense_backward_ && (dense_ || !backward_) ? *dense_backward_ : *backward_;
  }
  // Where the chosen weights of both products are (sparse::PackedMatrix::WritePlaces). kDataLoss if
  // that cannot have been written; Pack() must follow.
  size_t place_bytes() const;
  void WritePlaces(std::byte* to) const;
  absl::Status ReadPlaces(const std::byte* from);
  // How many weights take part at one of two such places alone.
  struct Counts {
    int64_t forward = 0, backward = 0;
  };
  Counts CountFlips(const std::byte* before, const std::byte* after) const;
  // Weights of which the forward product, or that for the input's gradient, chooses.
  Counts Choices() const;
  // Which weights take part in a product for now, [out, in]; empty if all do.
  std::vector<uint8_t> ForwardMask() const;
  std::vector<uint8_t> BackwardMask() const;
  // [out, in]: 0 where a weight does not take part in the forward product. Null if nothing that
  // this layer does depends on it, and if it is dense.
  const uint8_t* taking_part() const {
    return taking_part_.empty() ? nullptr : taking_part_.data();
  }

  // Chooses weights (or keeps those chosen before) and packs them for both products: the part of
  // this number of so many as there are. A part is small enough that both products, and the step
  // before, read it from the cache.
  int64_t parts() const;
  // A step of Adam on a part.
  void Step(const kernels::AdamStep& step, const AdamBuffers& buffers, int64_t part) const;
  void Pack(const float* parameters, bool choose, int64_t part);

  // From the gradients g of `tiles` outputs, `g_stride` bytes apart, and the transposed inputs: the
  // gradients of the weights of inputs [begin, end), begin a multiple of sparse::kPanel.
  void WriteGradients(const std::byte* g, int64_t g_stride, const std::byte* transposed,
                      int64_t x_stride, int64_t tiles, int64_t begin, int64_t end,
                      const float* parameters, float* gradients) const;
  // From sums over tiles [tiles, padded_out()].
  void WriteBiasGradients(const float* sums, int64_t tiles, float* gradients) const;

 private:
  using Part = sparse::PackedMatrix::Part;
  int64_t PartOutputs() const;
  Part PartAt(int64_t part) const;
  void PackForward(const float* w, bool choose, const Part& part);
  void PackBackward(const float* w, bool choose, const Part& part);
  // What the pull to zero, or weights that stay zero, do to the gradients of the weights of inputs
  // [begin, end).
  void PullToZero(int64_t begin, int64_t end, const float* weights, float* gradients) const;

  const sparse::KernelSet& kernels_;
  const std::string name_;
  const SparseParameter weight_, bias_;
  float decay_;
  const bool fixed_;       // weights that do not take part stay zero
  const bool as_forward_;  // LayerPatterns::backward_as_forward
  sparse::PackedMatrix forward_;
  std::optional<sparse::PackedMatrix> backward_;
  // While all weights take part; and if the gradient of the inputs is of the forward weights.
  std::optional<sparse::PackedMatrix> dense_forward_, dense_backward_;
  bool dense_ = false;
  std::vector<uint8_t> taking_part_;
  AlignedFloats forward_weights_;  // [out, weight_stride()], 0 where they do not take part
};

}  // namespace millrace
