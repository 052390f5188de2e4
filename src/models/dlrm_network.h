// The dense part of a recommendation model: DLRM, Naumov et al. 2019 (arXiv:1906.00091), and DCNv2,
// Wang et al. 2021 (arXiv:2008.13535).
#pragma once

#include <cstdint>
#include <vector>

#include "models/layer_modules.h"

namespace millrace {

// How features meet: by the products of all pairs of vectors, or in a cross network, whose layers
// are x0 * (U V x + b) + x over all numbers of all vectors.
enum class Interaction : uint8_t { kDot, kCross };

struct DlrmShape {
  int64_t dense = 0;            // features
  int64_t bags = 0;             // features of ids
  int64_t columns = 0;          // of every bag
  std::vector<int64_t> bottom;  // hidden layers of the dense features, before one of `columns`
  std::vector<int64_t> top;     // hidden layers behind the interaction
  int64_t outputs = 1;
  Interaction interaction = Interaction::kDot;
  int64_t cross_layers = 3;
  int64_t cross_rank = 32;  // of U V
};

// The dense features go through an mlp to as many columns as a bag has; that vector and the bags
// meet; what comes of it, with products of pairs the vector itself too, goes through another mlp to
// the outputs. ReLU. Bound to one thread.
class DlrmNetwork : public torch::nn::Module {
 public:
  DlrmNetwork(const DlrmShape& shape, uint64_t seed);

  // dense [B, dense], bags [B, bags, columns] -> [B, outputs]
  torch::Tensor Forward(const torch::Tensor& dense, const torch::Tensor& bags) const;

 private:
  using Layers = std::vector<std::shared_ptr<LinearModule>>;
  Layers MakeLayers(const std::string& name, int64_t in, const std::vector<int64_t>& sizes,
                    Rng& rng);

  torch::Tensor Meet(const torch::Tensor& dense, const torch::Tensor& bags) const;

  Layers bottom_, top_;
  Layers cross_down_, cross_up_;  // V and U of every layer
  torch::Tensor pairs_;           // int64 [pairs]: places in the products [(1 + bags)^2]
};

}  // namespace millrace
