// An N:M-sparse matrix, packed for the kernels.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "kernels/aligned_buffer.h"
#include "sparse/sparse_kernels.h"

namespace millrace::sparse {

// What a product sums over, and what it computes: a layer's weights [out, in] are a matrix of `out`
// outputs in the forward pass, and, the other way round, one of `in` outputs for the gradient of
// its inputs; each has its own pattern.
struct MatrixView {
  const float* data;
  int64_t outputs, inputs;
  int64_t row, depth;  // weight(output, input) = data[output * row + input * depth]; one is 1
};

// Panels of 16 outputs, in blocks of inputs: [block][panel]. Thread-compatible.
class PackedMatrix {
 public:
  PackedMatrix(int64_t outputs, int64_t inputs, const Pattern& pattern, const KernelSet& kernels);

  int64_t outputs() const { return outputs_; }
  int64_t inputs() const { return inputs_; }
  int64_t panels() const { return (outputs_ + kPanel - 1) / kPanel; }
  int64_t padded_outputs() const { return panels() * kPanel; }
  int64_t blocks() const { return (inputs_ + block_ - 1) / block_; }
  const Pattern& pattern() const { return pattern_; }
  const KernelSet& kernels() const { return kernels_; }
  // Of offsets and weights.
  size_t bytes() const;

  // Outputs from a multiple of kPanel on, and inputs from a multiple of kPartInputs on: both up to
  // such a multiple, or to the last. With tiles, or if products are dense: inputs of whole blocks.
  struct Part {
    int64_t begin_output, end_output, begin_input, end_input;
  };
  Part Whole() const { return {0, outputs_, 0, inputs_}; }

  // Whether products are computed with the dense matrix in which weights that do not take part are
  // 0, which has the same bits (but for products of 0 and what is not finite) and may be faster.
  // Nothing for a dense matrix. Packing, or reading, must follow.
  void MultiplyAsDense(bool as_dense);
  bool multiplies_as_dense() const { return as_dense_ != nullptr; }

  // Chooses weights, and packs them.
  void Pack(const MatrixView& weights, const Part& part);
  void Pack(const MatrixView& weights) { Pack(weights, Whole()); }
  // Packs the weights at the places that Pack() chose.
  void Repack(const MatrixView& weights, const Part& part);
  void Repack(const MatrixView& weights) { Repack(weights, Whole()); }

  // The product with a tile [inputs, kTile]: calls finish(panel, its sums [kPanel, kTile]) once for
  // every panel. `scratch` [panels * kPanel, kTile].
  void Multiply(const std::byte* tile, float* scratch,
                absl::FunctionRef<void(int64_t panel, const float* sums)> finish) const;

  // The sum of two products: first this with one matrix, then that with another.
  void MultiplyFirst(const std::byte* tile, float* scratch) const;
  void MultiplyAdd(const std::byte* tile, float* scratch,
                   absl::FunctionRef<void(int64_t panel, const float* sums)> finish) const;

  // Where the chosen weights are: of every pair a byte with the places within a group, or two with
  // those within a tile; nothing if all weights take part.
  size_t place_bytes() const;
  void WritePlaces(std::byte* to) const;
  // What Repack() packs from then on. kDataLoss if that cannot have been written; the matrix must
  // then not be used.
  absl::Status ReadPlaces(const std::byte* from);
  // How many weights take part at one of two such places alone.
  int64_t CountFlips(const std::byte* before, const std::byte* after) const;

  // The form that travels: places, and the weights of every pair.
  size_t wire_bytes() const;
  void Write(std::byte* to) const;
  // kDataLoss if that cannot have been written; the matrix must then not be used.
  absl::Status Read(const std::byte* from);

  // [outputs, inputs], rounded as they are packed, 0 where they do not take part.
  void Unpack(float* weights) const;
  // The chosen inputs of an output, in packed order (some of weight 0 twice, behind one another).
  // For tests.
  std::vector<int64_t> ChosenInputs(int64_t output) const;
  // Sets taking_part [outputs, inputs] to 1 where a weight of the part is chosen, else to 0.
  void MarkChosen(const Part& part, uint8_t* taking_part) const;

 private:
  // Offset of the next input.
  int64_t unit() const { return kTile * ElementBytes(kernels_.precision) / kOffsetBytes; }
  int64_t InputsOfBlock(int64_t block) const;
  void Spread(const Part& part);
  int64_t PairsOfBlock(int64_t block) const;
  int64_t UsedPairs() const;  // of all panels, of the pairs that blocks have
  PackedPanel PanelAt(int64_t block, int64_t panel) const;
  // Where the inputs of a pair may lie in their block: from these on, before `end`.
  struct PairPlace {
    int64_t first, second, end;
  };
  // Calls visit(offsets of a pair, where they may lie) for all of them.
  template <typename Visit>
  void ForPlaces(Visit visit) const;
  // The same with tiles: visit(offsets of a pair, inputs of its block).
  template <typename Visit>
  void ForTilePlaces(Visit visit) const;
  int64_t CountTileFlips(const std::byte* before, const std::byte* after) const;
  // The input of a pair's output, within all inputs.
  int64_t InputAt(int64_t block, uint32_t offset) const { return block * block_ + offset / unit(); }
  template <typename Finish>
  void Product(const std::byte* tile, float* scratch, bool first, bool last, Finish finish) const;
  template <typename Function>
  void ForPanels(const MatrixView& weights, const Part& part, Function function);

  const int64_t outputs_, inputs_;
  const Pattern pattern_;
  const KernelSet& kernels_;
  const int64_t block_;        // inputs of a block
  const int64_t pairs_;        // of a panel in a whole block
  const int64_t value_bytes_;  // of a pair of all outputs of a panel
  mutable AlignedBuffer<uint32_t> offsets_;
  mutable AlignedBuffer<std::byte> values_;
  std::unique_ptr<PackedMatrix> as_dense_;
};

}  // namespace millrace::sparse
