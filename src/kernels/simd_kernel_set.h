// All kernels of one instruction set. Included like simd_kernels.h.
#pragma once

#include "kernels/simd_kernels.h"
#include "kernels/simd_row_kernels.h"
#include "kernels/simd_window_kernels.h"

namespace millrace::kernels {
namespace {

constexpr KernelSet MakeKernelSet(const char* name) {
  return {.name = name,
          .dense = Dense,
          .dense_windows = DenseWindows,
          .bytes_to_floats = BytesToFloats,
          .tanh = TanhInPlace,
          .relu = ReluInPlace,
          .lstm_cell = LstmCell,
          .product = Product,
          .tanh_backward = TanhBackward,
          .relu_backward = ReluBackward,
          .column_sums = ColumnSums,
          .squared_norm = SquaredNorm,
          .multiply_adds = MultiplyAdds,
          .exp = ExpInPlace,
          .log = LogInPlace,
          .gumbel = Gumbel,
          .normals = Normals,
          .adam = Adam,
          .layer_norm = LayerNorm,
          .softmax_columns = SoftmaxColumns,
          .add = Add,
          .gru_cell = GruCell,
          .lstm_forward = LstmForward,
          .lstm_backward = LstmBackward};
}

}  // namespace
}  // namespace millrace::kernels
