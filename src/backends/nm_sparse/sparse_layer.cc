#include "backends/nm_sparse/sparse_layer.h"

#include <algorithm>

#include "kernels/packed_layer.h"
#include "millrace/core/status.h"

namespace millrace {

SparseLayer::SparseLayer(SparseLayout& layout, const std::string& name, const Sparsity& sparsity,
                         bool input_gradient, const sparse::KernelSet& kernels)
    : kernels_(kernels),
      name_(name),
      weight_(layout.Add(name + ".weight")),
      bias_(layout.Add(name + ".bias")),
      decay_(static_cast<float>(sparsity.decay)),
      fixed_(sparsity.refresh == Refresh::kNever),
      as_forward_(input_gradient && sparsity.Of(name).backward_as_forward &&
                  !sparse::IsDense(sparsity.Of(name).forward)),
      forward_(out(), in(), sparsity.Of(name).forward, kernels) {
  const LayerPatterns patterns = sparsity.Of(name);
  const bool chosen = !sparse::IsDense(patterns.forward);
  const auto make_dense = [&](std::optional<sparse::PackedMatrix>& matrix, int64_t outputs,
                              int64_t inputs) {
    matrix.emplace(outputs, inputs, sparse::DensePattern(), kernels);
  };
  // LibTorch multiplies with filters.
  const auto products = is_convolution() ? sparse::ProductChoice::kSparse : sparsity.products;
  if (chosen) sparse::ChooseProduct(products, forward_);
  if (chosen && sparsity.has_dense_phase()) make_dense(dense_forward_, out(), in());
  if (input_gradient) {
    const bool sparse = !sparse::IsDense(patterns.backward);
    if (sparse) {
      backward_.emplace(in(), out(), patterns.backward, kernels);
      sparse::ChooseProduct(products, *backward_);
    }
    if (!sparse || sparsity.has_dense_phase()) make_dense(dense_backward_, in(), out());
  }
  const size_t size = static_cast<size_t>(out() * in());
  if (chosen && (decay_ > 0 || fixed_ || as_forward_)) taking_part_.resize(size);
  if (as_forward_) forward_weights_.Reserve(static_cast<size_t>(out() * weight_.stride));
}

size_t SparseLayer::place_bytes() const {
  return forward_.place_bytes() + (backward_ ? backward_->place_bytes() : 0);
}

void SparseLayer::WritePlaces(std::byte* to) const {
  forward_.WritePlaces(to);
  if (backward_) backward_->WritePlaces(to + forward_.place_bytes());
}

absl::Status SparseLayer::ReadPlaces(const std::byte* from) {
  MILLRACE_RETURN_IF_ERROR(forward_.ReadPlaces(from));
  if (!taking_part_.empty()) forward_.MarkChosen(forward_.Whole(), taking_part_.data());
  return backward_ ? backward_->ReadPlaces(from + forward_.place_bytes()) : absl::OkStatus();
}

SparseLayer::Counts SparseLayer::CountFlips(const std::byte* before, const std::byte* after) const {
  const size_t bytes = forward_.place_bytes();
  return {.forward = forward_.CountFlips(before, after),
          .backward = backward_ ? backward_->CountFlips(before + bytes, after + bytes) : 0};
}

SparseLayer::Counts SparseLayer::Choices() const {
  const int64_t weights = out() * in();
  return {.forward = sparse::IsDense(forward_.pattern()) ? 0 : weights,
          .backward = backward_ ? weights : 0};
}

std::vector<uint8_t> SparseLayer::ForwardMask() const {
  if (dense_ || sparse::IsDense(forward_.pattern())) return {};
  std::vector<uint8_t> mask(static_cast<size_t>(out() * in()));
  forward_.MarkChosen(forward_.Whole(), mask.data());
  return mask;
}

std::vector<uint8_t> SparseLayer::BackwardMask() const {
  if (dense_) return {};
  if (as_forward_) return ForwardMask();
  if (!backward_) return {};
  std::vector<uint8_t> by_inputs(static_cast<size_t>(in() * out())), mask(by_inputs.size());
  backward_->MarkChosen(backward_->Whole(), by_inputs.data());
  for (int64_t output = 0; output < out(); ++output) {
    for (int64_t input = 0; input < in(); ++input) {
      mask[static_cast<size_t>(output * in() + input)] =
          by_inputs[static_cast<size_t>(input * out() + output)];
    }
  }
  return mask;
}

int64_t SparseLayer::PartOutputs() const {
  const bool whole_blocks =
      has_backward() && (backward().pattern().tiles || backward().multiplies_as_dense());
  return whole_blocks ? sparse::DepthBlock(kernels_.precision) : sparse::kPartInputs;
}

int64_t SparseLayer::parts() const {
  return (out() + PartOutputs() - 1) / PartOutputs() * forward_.blocks();
}

SparseLayer::Part SparseLayer::PartAt(int64_t part) const {
  const int64_t block = sparse::DepthBlock(kernels_.precision);
  const int64_t output = part / forward_.blocks() * PartOutputs();
  const int64_t input = part % forward_.blocks() * block;
  return {.begin_output = output,
          .end_output = std::min(output + PartOutputs(), out()),
          .begin_input = input,
          .end_input = std::min(input + block, in())};
}

void SparseLayer::Step(const kernels::AdamStep& step, const AdamBuffers& buffers,
                       int64_t part) const {
  const auto adam = [&](int64_t offset, int64_t size) {
    kernels::BestKernels().adam(step, buffers.gradients + offset, buffers.parameters + offset,
                                buffers.mean + offset, buffers.variance + offset, size);
  };
  const Part which = PartAt(part);
  const int64_t width = PadToPanel(which.end_input) - which.begin_input;
  for (int64_t o = which.begin_output; o < which.end_output; ++o) {
    adam(weight_.offset + o * weight_.stride + which.begin_input, width);
  }
  if (part == 0) adam(bias_.offset, PadToPanel(out()));
}

void SparseLayer::Pack(const float* parameters, bool choose, int64_t part) {
  PackForward(parameters + weight_.offset, choose, PartAt(part));
  PackBackward(parameters + weight_.offset, choose, PartAt(part));
}

void SparseLayer::PackForward(const float* w, bool choose, const Part& part) {
  const sparse::MatrixView view = {w, out(), in(), /*row=*/weight_.stride, /*depth=*/1};
  auto& packed = const_cast<sparse::PackedMatrix&>(forward());
  choose || dense_ ? packed.Pack(view, part) : packed.Repack(view, part);
  if (dense_) return;
  if (choose && !taking_part_.empty()) forward_.MarkChosen(part, taking_part_.data());
  if (!as_forward_) return;
  for (int64_t output = part.begin_output; output < part.end_output; ++output) {
    const uint8_t* takes_part = taking_part_.data() + output * in();
    const float* from = w + output * weight_.stride;
    float* to = forward_weights_.data() + output * weight_.stride;
    for (int64_t i = part.begin_input; i < part.end_input; ++i) {
      to[i] = takes_part[i] != 0 ? from[i] : 0.0F;
    }
  }
}

void SparseLayer::PackBackward(const float* w, bool choose, const Part& part) {
  if (!has_backward()) return;
  if (as_forward_ && !dense_) w = forward_weights_.data();
  auto& packed = const_cast<sparse::PackedMatrix&>(backward());
  const sparse::MatrixView view = {w, in(), out(), /*row=*/1, /*depth=*/weight_.stride};
  const Part turned = {part.begin_input, part.end_input, part.begin_output, part.end_output};
  choose || dense_ ? packed.Pack(view, turned) : packed.Repack(view, turned);
}

void SparseLayer::WriteGradients(const std::byte* g, int64_t g_stride, const std::byte* transposed,
                                 int64_t x_stride, int64_t tiles, int64_t begin, int64_t end,
                                 const float* parameters, float* gradients) const {
  // So many at a time that gradients and inputs of one part stay in the second-level cache.
  constexpr int64_t kTilesAtOnce = 16;
  const int64_t feature_bytes = sparse::kTile * sparse::ElementBytes(kernels_.precision);
  float* to = gradients + weight_.offset + begin;
  for (int64_t tile = 0; tile < tiles; tile += kTilesAtOnce) {
    kernels_.weight_gradient(g + tile * g_stride, g_stride,
                             transposed + tile * x_stride + begin * feature_bytes, x_stride,
                             std::min(kTilesAtOnce, tiles - tile), out(), end - begin,
                             /*add=*/tile > 0, to, weight_.stride);
  }
  if (!dense_ && !taking_part_.empty()) {
    PullToZero(begin, end, parameters + weight_.offset, gradients + weight_.offset);
  }
}

void SparseLayer::PullToZero(int64_t begin, int64_t end, const float* weights,
                             float* gradients) const {
  for (int64_t output = 0; output < out(); ++output) {
    const uint8_t* takes_part = taking_part_.data() + output * in();
    const float* w = weights + output * weight_.stride;
    float* g = gradients + output * weight_.stride;
    if (fixed_) {
      for (int64_t k = begin; k < end; ++k) g[k] = takes_part[k] != 0 ? g[k] : 0.0F;
    } else if (decay_ > 0) {
      for (int64_t k = begin; k < end; ++k) g[k] += takes_part[k] != 0 ? 0.0F : decay_ * w[k];
    }
  }
}

void SparseLayer::WriteBiasGradients(const float* sums, int64_t tiles, float* gradients) const {
  float* to = gradients + bias_.offset;
  std::copy_n(sums, out(), to);
  for (int64_t tile = 1; tile < tiles; ++tile) {
    const float* from = sums + tile * padded_out();
    for (int64_t o = 0; o < out(); ++o) to[o] += from[o];
  }
}

}  // namespace millrace
