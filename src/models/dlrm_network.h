// The dense part of a recommendation model: DLRM, Naumov et al. 2019 (arXiv:1906.00091).
#pragma once

#include <cstdint>
#include <vector>

#include "models/layer_modules.h"

namespace millrace {

struct DlrmShape {
  int64_t dense = 0;            // features
  int64_t bags = 0;             // features of ids
  int64_t columns = 0;          // of every bag
  std::vector<int64_t> bottom;  // hidden layers of the dense features, before one of `columns`
  std::vector<int64_t> top;     // hidden layers behind the interaction
};

// The dense features go through an mlp to as many columns as a bag has; the products of all pairs
// of that and the bags, and that itself, go through another to one logit. ReLU. Bound to one
// thread.
class DlrmNetwork : public torch::nn::Module {
 public:
  DlrmNetwork(const DlrmShape& shape, uint64_t seed);

  // dense [B, dense], bags [B, bags, columns] -> logits [B]
  torch::Tensor Forward(const torch::Tensor& dense, const torch::Tensor& bags) const;

 private:
  using Layers = std::vector<std::shared_ptr<LinearModule>>;
  Layers MakeLayers(const std::string& name, int64_t in, const std::vector<int64_t>& sizes,
                    Rng& rng);

  Layers bottom_, top_;
  torch::Tensor pairs_;  // int64 [pairs]: places in the products [(1 + bags)^2]
};

}  // namespace millrace
