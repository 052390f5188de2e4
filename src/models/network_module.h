// A trunk with the recurrent cell behind it: what NativeNetwork is on the acting side.
#pragma once

#include <memory>

#include "models/trunk_module.h"

namespace millrace {

// No module itself: its parts are children of the policy, whose names of weights are flat. Bound to
// one thread.
class NetworkModules {
 public:
  NetworkModules(const ModelSpec& spec, Network network, Rng& rng, torch::nn::Module& policy);

  struct Outputs {
    torch::Tensor hidden;  // [..., width()]
    torch::Tensor state;   // of this network; undefined without cell
  };
  // `state` [N, ...] is the whole policy's.
  Outputs Forward(const TensorDict& observation, const torch::Tensor& features,
                  const torch::Tensor& first, const torch::Tensor& state) const;
  int64_t width() const { return width_; }

 private:
  std::shared_ptr<TrunkModule> trunk_;
  std::shared_ptr<CellModule> cell_;  // null if not recurrent
  std::shared_ptr<NormModule> norm_;  // of the cell's output, or null
  int64_t width_;
  int64_t state_offset_, state_size_;
};

}  // namespace millrace
