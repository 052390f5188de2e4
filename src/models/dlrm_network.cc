#include "models/dlrm_network.h"

#include "absl/strings/str_cat.h"

namespace millrace {

DlrmNetwork::DlrmNetwork(const DlrmShape& shape, uint64_t seed) {
  Rng rng(seed, /*stream=*/0);
  std::vector<int64_t> bottom = shape.bottom, top = shape.top;
  bottom.push_back(shape.columns);
  top.push_back(shape.outputs);
  bottom_ = MakeLayers("bottom", shape.dense, bottom, rng);
  const int64_t vectors = 1 + shape.bags;
  if (shape.interaction == Interaction::kCross) {
    const int64_t size = vectors * shape.columns;
    for (int64_t l = 0; l < shape.cross_layers; ++l) {
      const auto add = [&](const char* part, int64_t in, int64_t out, Layers& layers) {
        layers.push_back(register_module(absl::StrCat("cross_", part, "_", l),
                                         std::make_shared<LinearModule>(in, out, 1.0, rng)));
      };
      add("down", size, shape.cross_rank, cross_down_);
      add("up", shape.cross_rank, size, cross_up_);
    }
    top_ = MakeLayers("top", size, top, rng);
    return;
  }
  std::vector<int64_t> pairs;
  for (int64_t a = 1; a < vectors; ++a) {
    for (int64_t b = 0; b < a; ++b) pairs.push_back(a * vectors + b);
  }
  pairs_ = torch::tensor(pairs, torch::kInt64);
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

torch::Tensor DlrmNetwork::Meet(const torch::Tensor& dense, const torch::Tensor& bags) const {
  const torch::Tensor vectors = torch::cat({dense.unsqueeze(1), bags}, 1);
  if (cross_up_.empty()) {
    const torch::Tensor products = torch::bmm(vectors, vectors.transpose(1, 2));
    return torch::cat({dense, products.flatten(1).index_select(1, pairs_.to(dense.device()))}, 1);
  }
  const torch::Tensor first = vectors.flatten(1);
  torch::Tensor x = first;
  for (size_t l = 0; l < cross_up_.size(); ++l) {
    x = torch::addcmul(x, first, cross_up_[l]->Forward(cross_down_[l]->Forward(x)));
  }
  return x;
}

torch::Tensor DlrmNetwork::Forward(const torch::Tensor& dense, const torch::Tensor& bags) const {
  torch::Tensor x = dense;
  for (const auto& layer : bottom_) x = torch::relu(layer->Forward(x));
  x = Meet(x, bags);
  for (size_t i = 0; i < top_.size(); ++i) {
    x = top_[i]->Forward(x);
    if (i + 1 < top_.size()) x = torch::relu(x);
  }
  return x;
}

}  // namespace millrace
