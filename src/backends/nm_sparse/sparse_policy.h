// The built-in mlp with N:M-sparse layers, forward and backward, on tiles.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/native/row_network.h"
#include "backends/nm_sparse/sparse_layer.h"
#include "core/thread_team.h"
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

// Of an mlp with hidden layers. Bound to one thread, for which `threads` work.
class SparsePolicy final : public RowNetwork {
 public:
  // `spec` is of type mlp. Begins with newly chosen weights, once it has some.
  SparsePolicy(const ModelSpec& spec, const Sparsity& sparsity, int threads);

  int64_t size() const override { return layout_.size(); }
  void Import(std::span<const float> flat, float* own) const override { layout_.Import(flat, own); }
  void Export(const float* own, std::span<float> flat) const override { layout_.Export(own, flat); }
  int64_t log_std_offset() const override { return log_std_offset_; }
  Heads Forward(const float* parameters, const NativeMinibatch& batch) override;
  void Backward(const float* parameters, const NativeMinibatch& batch, const float* policy_gradient,
                const float* value_gradient, float* gradients) override;
  // Packs the weights, too: at the places chosen last unless the step is to choose them anew.
  void Step(const kernels::AdamStep& step, const AdamBuffers& buffers) override;
  // After a step that was taken elsewhere: parameters in the order of ParameterLayout. They are
  // kept, in the network's order.
  void TakeStep(std::span<const float> flat);
  const float* taken() const { return flat_.data(); }
  // Parameters in the network's order; nothing of them is kept.
  void Take(const float* parameters) { PackAll(parameters, /*choose=*/false); }

  // Every layer, heads too.
  std::vector<const SparseLayer*> Layers() const;

  // A train step is done; whether weights are to be chosen anew.
  bool EndIteration();
  // Not after a step: chooses weights, or keeps those chosen before, and packs them. Parameters are
  // as of TakeStep().
  void Pack(std::span<const float> flat, bool choose);
  // The forward matrix of a layer, as it was packed last.
  const sparse::PackedMatrix& MatrixOf(const std::string& layer);

  // Whether all weights take part for now. Pack() must follow a change.
  bool dense() const { return dense_; }
  void SetDense(bool dense);
  // Steps or iterations, whichever choose weights, since they last did.
  int64_t since_choice() const { return since_choice_; }
  void set_since_choice(int64_t count) { since_choice_ = count; }
  // As SparseLayer's, of all layers.
  size_t place_bytes() const;
  void WritePlaces(std::span<std::byte> to) const;
  absl::Status ReadPlaces(std::span<const std::byte> from);
  SparseLayer::Counts CountFlips(std::span<const std::byte> before,
                                 std::span<const std::byte> after) const;
  SparseLayer::Counts Choices() const;
  // Sets numbers in the order of ParameterLayout to 0 for weights that do not take part in the
  // forward product. Of layers that know them (SparseLayer::taking_part()).
  void ClearLeftOut(std::span<float> flat) const;

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
  // Whether the step that is being taken chooses weights.
  bool CountStep();
  // Calls visit(layer, part, whether to choose weights) for all parts of all layers.
  template <typename Visit>
  void ForParts(bool choose, Visit visit);
  void PackAll(const float* parameters, bool choose);
  std::vector<SparseLayer*> Layers();

  const sparse::KernelSet& kernels_;
  const Refresh refresh_;
  const int64_t refresh_interval_;
  ThreadTeam team_;
  SparseLayout layout_;
  SparseBranch actor_;  // or the one branch that both heads read
  std::optional<SparseBranch> critic_;
  Head policy_, value_;
  const int64_t log_std_offset_;
  bool chosen_ = false;  // since the beginning
  bool dense_ = false;
  int64_t since_choice_ = 0;
  AlignedFloats flat_;                  // what TakeStep() or Pack() took
  int64_t tiles_ = 0;                   // of the last Forward()
  std::vector<AlignedFloats> scratch_;  // of each thread
};

}  // namespace millrace
