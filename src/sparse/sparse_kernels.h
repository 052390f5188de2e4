// The loops of N:M-sparse layers, one set per instruction set and number format, chosen once at run
// time.
//
// Activations lie feature by feature: a *tile* is 64 rows of a batch, [features, kTile], so that a
// kept weight multiplies whole vectors of rows, whichever input it belongs to. In bfloat16 two
// inputs are interleaved on the fly and multiplied at once (`vdpbf16ps`); which two is free, so
// every output may have its own pattern. A row's result does not depend on the other rows. Products
// of bfloat16 have the same bits with every instruction set (but for subnormal numbers): every one
// of two numbers is exact in float32, and the sums have one order, that of the inputs. So a product
// has the same bits, too, with the dense matrix in which weights that do not take part are 0.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace millrace::sparse {

inline constexpr int64_t kTile = 64;  // rows of a batch
// Outputs that are computed and packed together.
inline constexpr int64_t kPanel = kernels::kPanel;

// How many outputs share an offset where dense weights are packed, all at the same inputs anyway.
inline constexpr int64_t kDenseSharedBy = 4;

// N:M: of every `group` neighbouring weights along the direction that a product sums over, the
// `kept` ones of largest magnitude take part (Zhou et al. 2021, arXiv:2102.04010); all of them if
// the two are equal. So many neighbouring outputs have theirs at the same inputs, those with the
// largest sums of magnitudes. `tiles`: as large a share of the inputs of a whole block, wherever
// they are, shared by all outputs of a panel (tile-wise: Guo et al. 2020, arXiv:2008.13006).
struct Pattern {
  int64_t kept = 2, group = 8;
  int64_t shared_by = 1;
  bool tiles = false;  // shared_by is kPanel

  // Weights of an output that take part, of so many inputs of a block with tiles.
  int64_t KeptOfTile(int64_t inputs) const { return (inputs * kept + group - 1) / group; }
};

enum class Precision : uint8_t { kFloat32, kBfloat16 };
enum class Nonlinearity : uint8_t { kNone, kTanh, kRelu };

constexpr int64_t ElementBytes(Precision precision) {
  return precision == Precision::kFloat32 ? 4 : 2;
}
// Inputs of one block of a product: as many as fill 32 KiB of the first-level cache.
constexpr int64_t DepthBlock(Precision precision) {
  return 32768 / (kTile * ElementBytes(precision));
}
// Inputs of a part of a block that may be packed by itself: whole groups of every pattern.
inline constexpr int64_t kPartInputs = 64;
// What an offset of 1 means in bytes of a tile: x86 multiplies by up to 8 while it loads.
inline constexpr int64_t kOffsetBytes = 8;

// Weights to pack, of inputs of one block: weight(o, i) = data[o * row + i * depth] for o <
// outputs, begin <= i < end <= DepthBlock; row or depth is 1. `begin` is a multiple of kPartInputs
// and, with tiles, 0.
struct BlockWeights {
  const float* data;
  int64_t row, depth;
  int64_t outputs, begin, end;
};

// One panel of a packed matrix within one block of inputs. Weights come in pairs; pairs of the same
// panel have their inputs in ascending order.
struct PackedPanel {
  // [pairs, kPanel / shared_by]: where the pair's inputs lie in the block of the tile, in
  // kOffsetBytes; the first in the low half.
  uint32_t* offsets;
  // bfloat16: uint32 [pairs, kPanel], the first weight in the high half.
  // float32: float [pairs, 2, kPanel].
  std::byte* values;
};

// Several of the same block, at equal distances.
struct PackedPanels {
  PackedPanel first;
  int64_t offsets_stride, values_stride;  // in numbers, in bytes
  int64_t pairs;
};

struct KernelSet {
  const char* name;
  Precision precision;

  // sums [kPanel, kTile] = (first: 0, otherwise sums) + panel * x, x [block, kTile]. Until `last`
  // the sums are in an order of the set's own.
  void (*product)(const PackedPanel& panel, int64_t pairs, int64_t shared_by, const std::byte* x,
                  bool first, bool last, float* sums);
  // y [kPanel, kTile] = f(sums + bias).
  void (*activate)(const float* sums, const float* bias, Nonlinearity f, std::byte* y);
  // gradient [kPanel, kTile] = sums * f'(y), f' in terms of f's value; bias_gradient [kPanel] is
  // increased by its sums over the tile.
  void (*activate_backward)(const float* sums, const std::byte* y, Nonlinearity f,
                            std::byte* gradient, float* bias_gradient);

  // Between rows of a batch and tiles. `rows` <= kTile; the other rows of the tile are 0.
  // tile [columns, kTile] = x [rows, columns] with row distance `stride`.
  void (*tile_of_rows)(const float* x, int64_t stride, int64_t rows, int64_t columns,
                       std::byte* tile);
  // y [rows, columns] = sums [columns, kTile] (+ bias [columns], if any), columns <= kPanel.
  void (*rows_of_sums)(const float* sums, const float* bias, int64_t rows, int64_t columns,
                       float* y, int64_t stride);

  // A panel of features x [kPanel, kTile] with what is multiplied together side by side: words of
  // 4 bytes, [kTile * ElementBytes / 4, kPanel].
  void (*transpose)(const std::byte* x, std::byte* transposed);
  // out[r][k] = (add: out[r][k]) + sum over the rows of `tiles` tiles of g[r] x[k], for r < rows
  // and k < columns.
  //   g          [tiles][rows, kTile], tiles `g_stride` bytes apart
  //   transposed [tiles][panels of features, transposed], tiles `x_stride` bytes apart
  void (*weight_gradient)(const std::byte* g, int64_t g_stride, const std::byte* transposed,
                          int64_t x_stride, int64_t tiles, int64_t rows, int64_t columns, bool add,
                          float* out, int64_t out_stride);

  // Chooses and packs weights. Of equal magnitudes the lower input is kept; an incomplete group
  // keeps as many as it has, at most N. A slot that is left over repeats the input of the one
  // before it, with weight 0.
  void (*pack)(const Pattern& pattern, const BlockWeights& weights, const PackedPanels& panels);
  // Packs the weights at the places chosen before.
  void (*repack)(const Pattern& pattern, const BlockWeights& weights, const PackedPanels& panels);
  // The same weights as a panel of DensePattern(), 0 where they do not take part.
  void (*spread)(const Pattern& pattern, const PackedPanel& panel, int64_t inputs,
                 const PackedPanel& dense);
};

}  // namespace millrace::sparse
