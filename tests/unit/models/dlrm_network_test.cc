#include "models/dlrm_network.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

using torch::Tensor;

TEST(DlrmNetwork, InteractsByTheProductsOfAllPairs) {
  at::set_num_threads(1);
  const DlrmShape shape = {.dense = 3, .bags = 4, .columns = 5, .bottom = {7}, .top = {6}};
  const DlrmNetwork network(shape, /*seed=*/2);
  std::map<std::string, Tensor> weights;
  for (const auto& named : network.named_parameters()) weights[named.key()] = named.value();
  ASSERT_EQ(weights.at("top_0.weight").sizes(), (std::vector<int64_t>{6, 5 + 5 * 4 / 2}));
  torch::manual_seed(1);
  const Tensor dense = torch::randn({9, 3}), bags = torch::randn({9, 4, 5});
  const Tensor got = network.Forward(dense, bags);
  ASSERT_EQ(got.sizes(), (std::vector<int64_t>{9, 1}));
  const auto layer = [&](const char* name, const Tensor& x) {
    return torch::mv(weights.at(std::string(name) + ".weight"), x) +
           weights.at(std::string(name) + ".bias");
  };
  for (int64_t i = 0; i < 9; ++i) {
    const Tensor bottom = layer("bottom_1", layer("bottom_0", dense[i]).relu()).relu();
    std::vector<Tensor> vectors = {bottom};
    for (int64_t b = 0; b < 4; ++b) vectors.push_back(bags[i][b]);
    std::vector<Tensor> parts = {bottom};
    for (size_t a = 1; a < vectors.size(); ++a) {
      for (size_t b = 0; b < a; ++b) parts.push_back(torch::dot(vectors[a], vectors[b]).view(1));
    }
    const Tensor logit = layer("top_1", layer("top_0", torch::cat(parts)).relu());
    EXPECT_NEAR(got[i].item<float>(), logit.item<float>(), 1e-5);
  }
}

TEST(DlrmNetwork, BagsHaveGradients) {
  const DlrmNetwork network({.dense = 2, .bags = 2, .columns = 4, .bottom = {}, .top = {8}}, 1);
  torch::manual_seed(3);
  const Tensor dense = torch::randn({1, 2});
  const Tensor bags = torch::randn({1, 2, 4}).set_requires_grad(true);
  network.Forward(dense, bags).sum().backward();
  const torch::NoGradGuard no_gradient;
  constexpr float kStep = 1e-2F;
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t c = 0; c < 4; ++c) {
      const auto moved = [&](float by) {
        Tensor other = bags.detach().clone();
        other[0][b][c] += by;
        return network.Forward(dense, other).item<float>();
      };
      EXPECT_NEAR(bags.grad()[0][b][c].item<float>(), (moved(kStep) - moved(-kStep)) / (2 * kStep),
                  5e-3);
    }
  }
}

}  // namespace
}  // namespace millrace
