// The built-in mlp with N:M-sparse layers, forward and backward, on tiles.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/native/row_network.h"
#include "backends/nm_sparse/sparse_network.h"
#include "kernels/aligned_buffer.h"
#include "kernels/packed_layer.h"
#include "millrace/inference/model_spec.h"

namespace millrace {

// Features of all tiles of a minibatch: [tiles][features, kTile].
struct TileRows {
  // Tiles that lie a power of two apart would get into one another's way in the caches.
  static TileRows Of(int64_t features, const sparse::KernelSet& kernels) {
    const int64_t panel = sparse::kPanel * sparse::kTile * ElementBytes(kernels.precision);
    return {.stride = PadToPanel(features) / sparse::kPanel * panel + 2 * panel};
  }
  void Reserve(int64_t tiles) { data.Reserve(static_cast<size_t>(tiles * stride)); }
  std::byte* at(int64_t tile) { return data.data() + tile * stride; }
  const std::byte* at(int64_t tile) const { return data.data() + tile * stride; }

  int64_t stride = 0;  // bytes of a tile
  AlignedBuffer<std::byte> data = {};
};

// The layers that one head, or both, read. What concerns one tile alone may be called for several
// at once.
class SparseBranch {
 public:
  SparseBranch(const ModelSpec& spec, Network network, const Sparsity& sparsity,
               SparseLayout& layout, const sparse::KernelSet& kernels);

  std::vector<SparseLayer>& layers() { return layers_; }
  const std::vector<SparseLayer>& layers() const { return layers_; }
  void Reserve(int64_t tiles);

  // Rows of the input, `rows` of them, become tile `tile`; the output of the last layer.
  const std::byte* Forward(const float* parameters, const float* input, int64_t rows, int64_t tile,
                           float* scratch);
  // Takes a panel of the gradient of the last output, which a head computed.
  void TakeGradient(int64_t tile, int64_t panel, const float* sums) {
    TakeGradient(layers_.size() - 1, tile, panel, sums);
  }
  // From those of the last output on, the gradients of all layers' outputs.
  void Backward(int64_t tile, float* scratch);

  // What the heads read, transposed.
  const TileRows& transposed_output() const { return transposed_.back(); }
  // The gradients of the weights of layer `i`, inputs [begin, end), once all tiles are done; and
  // those of its biases.
  void WriteGradients(size_t i, int64_t tiles, int64_t begin, int64_t end, const float* parameters,
                      float* gradients) const;
  void WriteBiasGradients(int64_t tiles, float* gradients) const;

 private:
  // Before activation, from after it.
  void TakeGradient(size_t layer, int64_t tile, int64_t panel, const float* sums);

  const sparse::KernelSet& kernels_;
  const sparse::Nonlinearity activation_;
  std::vector<SparseLayer> layers_;
  TileRows input_;
  // Outputs of layer i, and their gradients before activation; sums of those over a tile.
  std::vector<TileRows> outputs_, gradients_;
  std::vector<AlignedFloats> bias_sums_;  // [tiles, padded_out()]
  std::vector<TileRows> transposed_;      // inputs of layer i; behind them the last output
};

// Of an mlp with hidden layers.
class SparsePolicy final : public SparseNetwork, public RowNetwork {
 public:
  // `spec` is of type mlp.
  SparsePolicy(const ModelSpec& spec, const Sparsity& sparsity, int threads);

  int64_t size() const override { return layout().size(); }
  void Import(std::span<const float> flat, float* own) const override {
    layout().Import(flat, own);
  }
  void Export(const float* own, std::span<float> flat) const override {
    layout().Export(own, flat);
  }
  int64_t log_std_offset() const override { return log_std_offset_; }
  Heads Forward(const float* parameters, const NativeMinibatch& batch) override;
  void Backward(const float* parameters, const NativeMinibatch& batch, const float* policy_gradient,
                const float* value_gradient, float* gradients) override;
  // Packs the weights, too: at the places chosen last unless the step is to choose them anew.
  void Step(const kernels::AdamStep& step, const AdamBuffers& buffers) override;
  // Parameters in the network's order; nothing of them is kept.
  void Take(const float* parameters) { PackAll(parameters, /*choose=*/false); }
  std::vector<const SparseLayer*> Layers() const override;

 private:
  // A head and what it reads.
  struct Head {
    Head(SparseLayout& layout, const std::string& name, SparseBranch& reads,
         const Sparsity& sparsity, const sparse::KernelSet& kernels)
        : branch(reads),
          layer(layout, name, sparsity, /*input_gradient=*/true, kernels),
          gradient(TileRows::Of(layer.out(), kernels)) {}

    SparseBranch& branch;
    SparseLayer layer;
    AlignedFloats output;  // [rows, padded_out()]
    TileRows gradient;
  };

  void Reserve(int64_t tiles);
  void ForwardTile(const float* parameters, const NativeMinibatch& batch, int64_t tile,
                   float* scratch);
  void HeadForward(const float* parameters, Head& head, const std::byte* hidden, int64_t rows,
                   int64_t tile, float* scratch);
  void BackwardTile(int64_t rows, const float* policy_gradient, const float* value_gradient,
                    int64_t tile, float* scratch);
  void WriteGradients(int64_t tiles, const float* parameters, float* gradients);

  SparseBranch actor_;  // or the one branch that both heads read
  std::optional<SparseBranch> critic_;
  Head policy_, value_;
  const int64_t log_std_offset_;
  int64_t tiles_ = 0;                   // of the last Forward()
  std::vector<AlignedFloats> scratch_;  // of each thread
};

}  // namespace millrace
