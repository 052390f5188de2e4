#include "inference/native_network.h"

namespace millrace {

NativeNetwork::NativeNetwork(const ModelSpec& spec, Network network,
                             const kernels::KernelSet& kernels)
    : kernels_(kernels),
      trunk_name_(spec.TrunkName(network)),
      cell_name_(spec.CellName(network)),
      state_offset_(network == Network::kCritic ? spec.state_size() / 2 : 0),
      state_stride_(spec.state_size()),
      trunk_(MakeNativeTrunk(spec, network, kernels)),
      width_(trunk_->width()),
      cell_(MakeNativeCell(spec, width_, kernels)) {
  if (cell_ == nullptr) return;
  width_ = spec.recurrent_size();
  if (spec.layer_norm()) norm_.emplace(width_);
}

void NativeNetwork::Pack(const WeightBlob& weights) {
  trunk_->Pack(weights, trunk_name_);
  if (cell_) cell_->Pack(weights, cell_name_);
  if (norm_) norm_->Pack(weights, cell_name_ + "_norm");
}

RowMatrix NativeNetwork::Apply(const TrunkInput& input, float* state) {
  RowMatrix x = trunk_->Apply(input);
  if (cell_) x = cell_->Apply(x, input.rows, state + state_offset_, state_stride_);
  if (!norm_) return x;
  normalized_.Reserve(static_cast<size_t>(input.rows * x.stride));
  norm_->Apply(kernels_, x.data, input.rows, normalized_.data());
  return {normalized_.data(), x.stride};
}

}  // namespace millrace
