#include "models/onednn_linear.h"

#include "gtest/gtest.h"

namespace millrace {
namespace {

void ExpectClose(const torch::Tensor& got, const torch::Tensor& expected) {
  const double size = expected.abs().max().item<double>();
  EXPECT_LE((got - expected).abs().max().item<double>(), 1e-5 * size);
}

TEST(OneDnnLinear, EqualsLibTorch) {
  torch::manual_seed(1);
  const auto x = torch::randn({70, 33}), weight = torch::randn({45, 33}), bias = torch::randn({45});
  ExpectClose(OneDnnLinear(x, weight, bias), torch::linear(x, weight, bias));
  ExpectClose(OneDnnLinear(x, weight, std::nullopt), torch::linear(x, weight));
}

// Large enough for oneDNN where that is faster.
TEST(OneDnnLinear, LinearHasTheValuesAndGradientsOfLibTorch) {
  torch::manual_seed(2);
  for (const std::vector<int64_t>& leading : {std::vector<int64_t>{300}, {5, 60}, {1, 2}}) {
    std::vector<int64_t> in = leading, out = leading;
    in.push_back(260);
    out.push_back(256);
    const auto x = torch::randn(in), weight = torch::randn({256, 260}), bias = torch::randn({256});
    const auto g = torch::randn(out);
    std::vector<torch::Tensor> got, expected;
    for (const bool ours : {true, false}) {
      std::vector<torch::Tensor> leaves;
      for (const auto& tensor : {x, weight, bias}) {
        leaves.push_back(tensor.clone().requires_grad_());
      }
      const auto y = ours ? Linear(leaves[0], leaves[1], leaves[2])
                          : torch::linear(leaves[0], leaves[1], leaves[2]);
      y.backward(g);
      auto& results = ours ? got : expected;
      results = {y.detach(), leaves[0].grad(), leaves[1].grad(), leaves[2].grad()};
    }
    for (size_t i = 0; i < got.size(); ++i) ExpectClose(got[i], expected[i]);
  }
}

TEST(OneDnnLinear, SmallProductsAreLeftToLibTorch) {
  EXPECT_FALSE(OneDnnProductsOf(64, 64, 64).forward);
  EXPECT_FALSE(OneDnnProductsOf(64, 64, 64).gradients);
}

}  // namespace
}  // namespace millrace
