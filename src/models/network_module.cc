#include "models/network_module.h"

namespace millrace {
namespace {

std::shared_ptr<CellModule> MakeCell(const ModelSpec& spec, int64_t in, Rng& rng) {
  if (spec.gru_size > 0) return std::make_shared<GruModule>(in, spec.gru_size, rng);
  return std::make_shared<LstmModule>(in, spec.lstm_size, rng);
}

}  // namespace

NetworkModules::NetworkModules(const ModelSpec& spec, Network network, Rng& rng,
                               torch::nn::Module& policy)
    : trunk_(policy.register_module(spec.TrunkName(network), MakeTrunkModule(spec, network, rng))),
      width_(trunk_->width()),
      state_offset_(network == Network::kCritic ? spec.state_size() / 2 : 0),
      state_size_(spec.one_trunk() ? spec.state_size() : spec.state_size() / 2) {
  if (spec.recurrent_size() == 0) return;
  const std::string name = spec.CellName(network);
  cell_ = policy.register_module(name, MakeCell(spec, width_, rng));
  width_ = spec.recurrent_size();
  if (!spec.layer_norm()) return;
  norm_ = policy.register_module(name + "_norm", std::make_shared<NormModule>(width_));
}

NetworkModules::Outputs NetworkModules::Forward(const TensorDict& observation,
                                                const torch::Tensor& features,
                                                const torch::Tensor& first,
                                                const torch::Tensor& state) const {
  const torch::Tensor hidden = trunk_->Forward(observation, features);
  if (cell_ == nullptr) return {hidden, {}};
  auto outputs = cell_->Forward(hidden, first, state.narrow(-1, state_offset_, state_size_));
  return {norm_ ? norm_->Forward(outputs.hidden) : outputs.hidden, outputs.state};
}

}  // namespace millrace
