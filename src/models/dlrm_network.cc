#include "models/dlrm_network.h"

#include "absl/strings/str_cat.h"

namespace millrace {

DlrmNetwork::DlrmNetwork(const DlrmShape& shape, uint64_t seed) {
  Rng rng(seed, /*stream=*/0);
  std::vector<int64_t> bottom = shape.bottom, top = shape.top;
  bottom.push_back(shape.columns);
  top.push_back(1);
  const int64_t vectors = 1 + shape.bags;
  std::vector<int64_t> pairs;
  for (int64_t a = 1; a < vectors; ++a) {
    for (int64_t b = 0; b < a; ++b) pairs.push_back(a * vectors + b);
  }
  pairs_ = register_buffer("pairs", torch::tensor(pairs, torch::kInt64));
  bottom_ = MakeLayers("bottom", shape.dense, bottom, rng);
  top_ = MakeLayers("top", shape.columns + std::ssize(pairs), top, rng);
}

DlrmNetwork::Layers DlrmNetwork::MakeLayers(const std::string& name, int64_t in,
                                            const std::vector<int64_t>& sizes, Rng& rng) {
  Layers layers;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const bool last = name == "top" && i + 1 == sizes.size();
    layers.push_back(register_module(
        absl::StrCat(name, "_", i),
        std::make_shared<LinearModule>(in, sizes[i], last ? 1.0 : kTrunkGain, rng)));
    in = sizes[i];
  }
  return layers;
}

torch::Tensor DlrmNetwork::Forward(const torch::Tensor& dense, const torch::Tensor& bags) const {
  torch::Tensor x = dense;
  for (const auto& layer : bottom_) x = torch::relu(layer->Forward(x));
  const torch::Tensor vectors = torch::cat({x.unsqueeze(1), bags}, 1);
  const torch::Tensor products = torch::bmm(vectors, vectors.transpose(1, 2));
  x = torch::cat({x, products.flatten(1).index_select(1, pairs_)}, 1);
  for (size_t i = 0; i < top_.size(); ++i) {
    x = top_[i]->Forward(x);
    if (i + 1 < top_.size()) x = torch::relu(x);
  }
  return x.squeeze(1);
}

}  // namespace millrace
