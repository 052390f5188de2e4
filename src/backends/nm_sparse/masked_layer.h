// Sparse layers that LibTorch multiplies.
#pragma once

#include <optional>

#include "backends/nm_sparse/semi_structured_matrix.h"
#include "models/layer_modules.h"
#include "sparse/product_choice.h"
#include "sparse/sparse_kernels.h"

namespace millrace {

// What a layer of a model computes with while it is sparse: dense products with zeros in the place
// of weights that do not take part, or 2:4-sparse ones where a GPU has them. Convolutions, and all
// layers on a GPU. Gradients of weights are dense. Bound to one thread.
class MaskedLayer {
 public:
  struct Settings {
    sparse::Precision precision = sparse::Precision::kFloat32;  // of products and their results
    // Of those that 2:4-sparse ones can compute.
    sparse::ProductChoice products = sparse::ProductChoice::kAuto;
    sparse::Pattern forward = {}, backward = {};
  };

  // Takes over `module`, and gives it back at its end.
  MaskedLayer(LayerModule& module, const Settings& settings);
  ~MaskedLayer();
  MaskedLayer(const MaskedLayer&) = delete;
  MaskedLayer& operator=(const MaskedLayer&) = delete;

  // Which weights take part, bool like the module's weights and on their device; undefined if all
  // do. Update() must follow.
  void SetMasks(const torch::Tensor& forward, const torch::Tensor& backward);
  // The module's weights, or the masks, are others.
  void Update();

 private:
  struct LinearFunction;
  struct ConvolutionFunction;

  LayerModule& module_;
  const torch::ScalarType type_;
  int64_t stride_ = 0;  // of a convolution
  torch::Tensor forward_mask_, backward_mask_;
  torch::Tensor forward_, backward_;  // weights, zero where left out
  // Of a fully connected layer: the same, and the transposed.
  std::optional<SemiStructuredMatrix> forward_product_, backward_product_;
};

}  // namespace millrace
