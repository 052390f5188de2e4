// All kernels of one instruction set and number format. Included like simd_formats.h.
#pragma once

#include "sparse/simd_packing.h"
#include "sparse/simd_products.h"
#include "sparse/simd_spreading.h"
#include "sparse/simd_tiles.h"
#include "sparse/simd_weight_gradient.h"

namespace millrace::sparse {
namespace {

template <typename Format>
constexpr KernelSet MakeKernelSet(const char* name) {
  return {.name = name,
          .precision = Format::kPrecision,
          .product = Product<Format>,
          .activate = Activate<Format>,
          .activate_backward = ActivateBackward<Format>,
          .tile_of_rows = TileOfRows<Format>,
          .rows_of_sums = RowsOfSums,
          .transpose = TransposePanel<Format>,
          .weight_gradient = WeightGradient<GradientBlock<Format>, Format::kPrecision>,
          .pack = Pack<Format, true>,
          .repack = Pack<Format, false>,
          .spread = Spread<Format>};
}

}  // namespace
}  // namespace millrace::sparse
