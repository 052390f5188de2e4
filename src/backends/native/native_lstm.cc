#include "backends/native/native_lstm.h"

#include <algorithm>

namespace millrace {
namespace {

constexpr int64_t kGates = 4;

}  // namespace

NativeLstm::NativeLstm(NativeLayout& layout, const std::string& name, int64_t size,
                       int64_t in_stride, const kernels::KernelSet& kernels)
    : kernels_(kernels),
      size_(size),
      padded_(PadToPanel(size)),
      input_(layout, name + ".weight_ih", name + ".bias_ih", in_stride, kernels, kGates),
      recurrent_(layout, name + ".weight_hh", name + ".bias_hh", padded_, kernels, kGates) {
  bias_.Reserve(static_cast<size_t>(kGates * padded_));
}

void NativeLstm::Reserve(const NativeMinibatch& batch) {
  gates_.Reserve(static_cast<size_t>(batch.rows() * kGates * padded_));
  for (AlignedFloats* buffer : {&previous_hidden_, &previous_cell_, &hidden_, &cell_}) {
    buffer->Reserve(static_cast<size_t>(batch.rows() * padded_));
  }
  for (AlignedFloats* buffer : {&hidden_gradient_, &cell_gradient_}) {
    buffer->Reserve(static_cast<size_t>(batch.chunks * padded_));
  }
}

void NativeLstm::Enter(const NativeMinibatch& batch, int64_t step) {
  for (int64_t chunk = 0; chunk < batch.chunks; ++chunk) {
    const int64_t row = step * batch.chunks + chunk;
    float* hidden = previous_hidden_.data() + row * padded_;
    float* cell = previous_cell_.data() + row * padded_;
    if (batch.first[row] != 0) {
      std::fill_n(hidden, size_, 0.0F);
      std::fill_n(cell, size_, 0.0F);
    } else if (step == 0) {
      const float* state = batch.state + chunk * 2 * size_;
      std::copy_n(state, size_, hidden);
      std::copy_n(state + size_, size_, cell);
    } else {
      std::copy_n(hidden_.data() + (row - batch.chunks) * padded_, size_, hidden);
      std::copy_n(cell_.data() + (row - batch.chunks) * padded_, size_, cell);
    }
  }
}

const float* NativeLstm::Forward(const float* parameters, const float* x,
                                 const NativeMinibatch& batch) {
  Reserve(batch);
  std::copy_n(input_.bias(parameters), kGates * padded_, bias_.data());
  kernels_.add(recurrent_.bias(parameters), kGates * padded_, bias_.data());
  input_.Multiply(parameters, x, batch.rows(), bias_.data(), /*start_stride=*/0, gates_.data());
  for (int64_t step = 0; step < batch.steps; ++step) {
    Enter(batch, step);
    const int64_t at = step * batch.chunks * padded_;
    float* gates = gates_.data() + kGates * at;
    recurrent_.Multiply(parameters, previous_hidden_.data() + at, batch.chunks, gates,
                        kGates * padded_, gates);
    kernels_.lstm_forward(gates, batch.chunks, padded_, previous_cell_.data() + at,
                          cell_.data() + at, hidden_.data() + at);
  }
  return hidden_.data();
}

void NativeLstm::Leave(const NativeMinibatch& batch, int64_t step, const float* gradient) {
  const int64_t first_row = step * batch.chunks;
  recurrent_.InputGradient(gates_.data() + first_row * kGates * padded_, batch.chunks, gradient,
                           hidden_gradient_.data());
  for (int64_t chunk = 0; chunk < batch.chunks; ++chunk) {
    if (batch.first[first_row + chunk] == 0) continue;
    std::copy_n(gradient + chunk * padded_, padded_, hidden_gradient_.data() + chunk * padded_);
    std::fill_n(cell_gradient_.data() + chunk * padded_, padded_, 0.0F);
  }
}

void NativeLstm::Backward(const float* parameters, const float* x, const NativeMinibatch& batch,
                          const float* gradient, float* gradients) {
  recurrent_.Transpose(parameters);
  const int64_t step_size = batch.chunks * padded_;
  std::fill_n(cell_gradient_.data(), step_size, 0.0F);
  std::copy_n(gradient + (batch.steps - 1) * step_size, step_size, hidden_gradient_.data());
  for (int64_t step = batch.steps; step-- > 0;) {
    const int64_t at = step * step_size;
    kernels_.lstm_backward(gates_.data() + kGates * at, batch.chunks, padded_,
                           previous_cell_.data() + at, cell_.data() + at, hidden_gradient_.data(),
                           cell_gradient_.data());
    if (step > 0) Leave(batch, step, gradient + at - step_size);
  }
  input_.WriteGradients(x, gates_.data(), batch.rows(), gradients);
  recurrent_.WriteGradients(previous_hidden_.data(), gates_.data(), batch.rows(), gradients);
}

float* NativeLstm::InputGradient(const float* parameters, const NativeMinibatch& batch) {
  return input_.InputGradient(parameters, gates_.data(), batch.rows(), nullptr);
}

}  // namespace millrace
