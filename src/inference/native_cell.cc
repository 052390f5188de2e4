#include "inference/native_cell.h"

#include <algorithm>

namespace millrace {

NativeCell::NativeCell(int64_t in, int64_t size, bool gru, const kernels::KernelSet& kernels)
    : kernels_(kernels),
      in_(in),
      size_(size),
      padded_(PadToPanel(size)),
      gru_(gru),
      gates_layer_(in + size, 4 * PadToPanel(size)) {}

void NativeCell::Pack(const WeightBlob& weights, const std::string& name) {
  const auto weight_ih = weights.Tensor(name + ".weight_ih");
  const auto weight_hh = weights.Tensor(name + ".weight_hh");
  const auto bias_ih = weights.Tensor(name + ".bias_ih");
  const auto bias_hh = weights.Tensor(name + ".bias_hh");
  const auto size = static_cast<size_t>(size_), in = static_cast<size_t>(in_);
  gates_layer_.Clear();
  // What input and hidden state contribute to a GRU's new state is kept apart.
  for (size_t gate = 0; gate < (gru_ ? 3 : 4); ++gate) {
    const size_t row = gate * size;
    const auto out = static_cast<int64_t>(gate) * padded_;
    gates_layer_.Pack(weight_ih.subspan(row * in, size * in), bias_ih.subspan(row, size), size_,
                      in_, out);
    gates_layer_.Pack(weight_hh.subspan(row * size, size * size), bias_hh.subspan(row, size), size_,
                      size_, gru_ && gate == 2 ? out + padded_ : out, in_);
  }
}

RowMatrix NativeCell::Apply(const RowMatrix& x, int64_t rows, float* state, int64_t state_stride) {
  const int64_t width = in_ + size_;
  input_.Reserve(static_cast<size_t>(rows * width));
  gates_.Reserve(static_cast<size_t>(rows * 4 * padded_));
  hidden_.Reserve(static_cast<size_t>(rows * padded_));
  cell_.Reserve(static_cast<size_t>(padded_));
  for (int64_t row = 0; row < rows; ++row) {
    float* input = input_.data() + row * width;
    std::copy_n(x.data + row * x.stride, in_, input);
    std::copy_n(state + row * state_stride, size_, input + in_);
  }
  gates_layer_.Apply(kernels_, input_.data(), width, rows, gates_.data());
  for (int64_t row = 0; row < rows; ++row) {
    float* row_state = state + row * state_stride;
    float* hidden = hidden_.data() + row * padded_;
    if (gru_) {
      std::copy_n(row_state, size_, hidden);
      kernels_.gru_cell(gates_.data() + row * 4 * padded_, padded_, hidden);
      std::copy_n(hidden, size_, row_state);
      continue;
    }
    std::copy_n(row_state + size_, size_, cell_.data());
    kernels_.lstm_cell(gates_.data() + row * 4 * padded_, padded_, cell_.data(), hidden);
    std::copy_n(hidden, size_, row_state);
    std::copy_n(cell_.data(), size_, row_state + size_);
  }
  return {hidden_.data(), padded_};
}

}  // namespace millrace
