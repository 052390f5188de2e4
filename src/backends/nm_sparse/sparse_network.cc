#include "backends/nm_sparse/sparse_network.h"

#include <algorithm>
#include <utility>

#include "millrace/core/check.h"
#include "millrace/core/status.h"
#include "sparse/kernel_choice.h"

namespace millrace {

SparseNetwork::SparseNetwork(const ModelSpec& spec, const Sparsity& sparsity, int threads)
    : kernels_(sparse::BestKernels(sparsity.precision)),
      refresh_(sparsity.refresh),
      refresh_interval_(sparsity.refresh_interval),
      team_(threads),
      layout_(spec),
      decay_(sparsity.decay) {}

std::vector<SparseLayer*> SparseNetwork::Layers() {
  std::vector<SparseLayer*> layers;
  for (const SparseLayer* layer : std::as_const(*this).Layers()) {
    layers.push_back(const_cast<SparseLayer*>(layer));
  }
  return layers;
}

const sparse::PackedMatrix* SparseNetwork::MatrixOf(const std::string& layer) const {
  const auto layers = Layers();
  const auto found = std::ranges::find(layers, layer, &SparseLayer::name);
  return found != layers.end() ? &(*found)->forward() : nullptr;
}

bool SparseNetwork::CountStep() {
  return refresh_ == Refresh::kStep && ++since_choice_ >= refresh_interval_;
}

void SparseNetwork::PackAll(const float* parameters, bool choose) {
  ForParts(choose, [&](SparseLayer& layer, int64_t part, bool choose_now) {
    layer.Pack(parameters, choose_now, part);
  });
}

bool SparseNetwork::EndIteration() {
  return refresh_ == Refresh::kIteration && ++since_choice_ >= refresh_interval_;
}

void SparseNetwork::Pack(std::span<const float> flat, bool choose) {
  flat_.Reserve(static_cast<size_t>(layout_.size()));
  layout_.Import(flat, flat_.data());
  PackAll(flat_.data(), choose);
  Packed(std::exchange(other_places_, false));
}

void SparseNetwork::SetDense(bool dense) {
  dense_ = dense;
  other_places_ = true;
  for (SparseLayer* layer : Layers()) layer->SetDense(dense);
}

void SparseNetwork::SetDecay(double decay) {
  decay_ = decay;
  for (SparseLayer* layer : Layers()) layer->SetDecay(decay);
}

size_t SparseNetwork::place_bytes() const {
  size_t bytes = 0;
  for (const SparseLayer* layer : Layers()) bytes += layer->place_bytes();
  return bytes;
}

void SparseNetwork::WritePlaces(std::span<std::byte> to) const {
  for (const SparseLayer* layer : Layers()) {
    layer->WritePlaces(to.data());
    to = to.subspan(layer->place_bytes());
  }
}

absl::Status SparseNetwork::ReadPlaces(std::span<const std::byte> from) {
  other_places_ = true;
  for (SparseLayer* layer : Layers()) {
    MILLRACE_RETURN_IF_ERROR(layer->ReadPlaces(from.data()));
    from = from.subspan(layer->place_bytes());
  }
  return absl::OkStatus();
}

SparseLayer::Counts SparseNetwork::CountFlips(std::span<const std::byte> before,
                                              std::span<const std::byte> after) const {
  SparseLayer::Counts sum;
  for (const SparseLayer* layer : Layers()) {
    const auto flips = layer->CountFlips(before.data(), after.data());
    sum.forward += flips.forward;
    sum.backward += flips.backward;
    before = before.subspan(layer->place_bytes());
    after = after.subspan(layer->place_bytes());
  }
  return sum;
}

SparseLayer::Counts SparseNetwork::Choices() const {
  SparseLayer::Counts sum;
  for (const SparseLayer* layer : Layers()) {
    sum.forward += layer->Choices().forward;
    sum.backward += layer->Choices().backward;
  }
  return sum;
}

void SparseNetwork::ClearLeftOut(std::span<float> flat) const {
  std::vector<float> own(static_cast<size_t>(layout_.size()));
  layout_.Import(flat, own.data());
  for (const SparseLayer* layer : Layers()) {
    const uint8_t* takes_part = layer->taking_part();
    if (takes_part == nullptr) continue;
    for (int64_t output = 0; output < layer->out(); ++output, takes_part += layer->in()) {
      float* w = own.data() + layer->weight_offset() + output * layer->weight_stride();
      for (int64_t i = 0; i < layer->in(); ++i) {
        if (takes_part[i] == 0) w[i] = 0;
      }
    }
  }
  layout_.Export(own.data(), flat);
}

}  // namespace millrace
