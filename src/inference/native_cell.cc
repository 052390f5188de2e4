#include "inference/native_cell.h"

#include <algorithm>

namespace millrace {
namespace {

// Weights and biases of one gate.
struct Gate {
  std::span<const float> weight_ih, weight_hh, bias_ih, bias_hh;
};

class GateReader {
 public:
  GateReader(const WeightBlob& weights, const std::string& name, int64_t in, int64_t size)
      : weight_ih_(weights.Tensor(name + ".weight_ih")),
        weight_hh_(weights.Tensor(name + ".weight_hh")),
        bias_ih_(weights.Tensor(name + ".bias_ih")),
        bias_hh_(weights.Tensor(name + ".bias_hh")),
        in_(static_cast<size_t>(in)),
        size_(static_cast<size_t>(size)) {}

  Gate Read(int64_t gate) const {
    const size_t row = static_cast<size_t>(gate) * size_;
    return {weight_ih_.subspan(row * in_, size_ * in_),
            weight_hh_.subspan(row * size_, size_ * size_), bias_ih_.subspan(row, size_),
            bias_hh_.subspan(row, size_)};
  }

 private:
  const std::span<const float> weight_ih_, weight_hh_, bias_ih_, bias_hh_;
  const size_t in_, size_;
};

class NativeLstm final : public NativeCell {
 public:
  NativeLstm(int64_t in, int64_t size, const kernels::KernelSet& kernels)
      : kernels_(kernels),
        in_(in),
        size_(size),
        padded_(PadToPanel(size)),
        gates_layer_(in + size, 4 * padded_) {}

  void Pack(const WeightBlob& weights, const std::string& name) override {
    const GateReader gates(weights, name, in_, size_);
    gates_layer_.Clear();
    for (int64_t gate = 0; gate < 4; ++gate) {
      const Gate part = gates.Read(gate);
      gates_layer_.Pack(part.weight_ih, part.bias_ih, size_, in_, gate * padded_);
      gates_layer_.Pack(part.weight_hh, part.bias_hh, size_, size_, gate * padded_, in_);
    }
  }

  RowMatrix Apply(const RowMatrix& x, int64_t rows, float* state, int64_t state_stride) override {
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
      std::copy_n(row_state + size_, size_, cell_.data());
      kernels_.lstm_cell(gates_.data() + row * 4 * padded_, padded_, cell_.data(), hidden);
      std::copy_n(hidden, size_, row_state);
      std::copy_n(cell_.data(), size_, row_state + size_);
    }
    return {hidden_.data(), padded_};
  }

 private:
  const kernels::KernelSet& kernels_;
  const int64_t in_, size_, padded_;
  PackedLayer gates_layer_;  // [x, hidden] -> input, forget, cell, output
  AlignedFloats input_, gates_, hidden_, cell_;
};

class NativeGru final : public NativeCell {
 public:
  NativeGru(int64_t in, int64_t size, const kernels::KernelSet& kernels)
      : kernels_(kernels),
        in_(in),
        size_(size),
        padded_(PadToPanel(size)),
        input_layer_(in, 3 * padded_),
        hidden_layer_(size, 3 * padded_) {}

  void Pack(const WeightBlob& weights, const std::string& name) override {
    const GateReader gates(weights, name, in_, size_);
    input_layer_.Clear();
    hidden_layer_.Clear();
    for (int64_t gate = 0; gate < 3; ++gate) {
      const Gate part = gates.Read(gate);
      input_layer_.Pack(part.weight_ih, part.bias_ih, size_, in_, gate * padded_);
      hidden_layer_.Pack(part.weight_hh, part.bias_hh, size_, size_, gate * padded_);
    }
  }

  RowMatrix Apply(const RowMatrix& x, int64_t rows, float* state, int64_t state_stride) override {
    const int64_t gates = 3 * padded_;
    from_input_.Reserve(static_cast<size_t>(rows * gates));
    from_hidden_.Reserve(static_cast<size_t>(rows * gates));
    hidden_.Reserve(static_cast<size_t>(rows * padded_));
    input_layer_.Apply(kernels_, x.data, x.stride, rows, from_input_.data());
    hidden_layer_.Apply(kernels_, state, state_stride, rows, from_hidden_.data());
    for (int64_t row = 0; row < rows; ++row) {
      float* row_state = state + row * state_stride;
      float* hidden = hidden_.data() + row * padded_;
      std::copy_n(row_state, size_, hidden);
      kernels_.gru_cell(from_input_.data() + row * gates, from_hidden_.data() + row * gates,
                        padded_, hidden);
      std::copy_n(hidden, size_, row_state);
    }
    return {hidden_.data(), padded_};
  }

 private:
  const kernels::KernelSet& kernels_;
  const int64_t in_, size_, padded_;
  PackedLayer input_layer_, hidden_layer_;  // -> reset, update, new
  AlignedFloats from_input_, from_hidden_, hidden_;
};

}  // namespace

std::unique_ptr<NativeCell> MakeNativeCell(const ModelSpec& spec, int64_t in,
                                           const kernels::KernelSet& kernels) {
  if (spec.lstm_size > 0) return std::make_unique<NativeLstm>(in, spec.lstm_size, kernels);
  if (spec.gru_size > 0) return std::make_unique<NativeGru>(in, spec.gru_size, kernels);
  return nullptr;
}

}  // namespace millrace
