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

TEST(OneDnnLinear, LinearHasTheValuesAndGradientsOfLibTorch) {
  torch::manual_seed(2);
  using torch::Tensor;
  const auto weight = torch::randn({256, 260}), bias = torch::randn({256});
  for (const std::vector<int64_t>& leading : {std::vector<int64_t>{300}, {5, 60}, {1, 2}}) {
    std::vector<int64_t> in = leading, out = leading;
    in.push_back(260);
    out.push_back(256);
    const auto x = torch::randn(in), g = torch::randn(out);
    // Value and gradients.
    const auto results_of = [&](auto linear) {
      std::vector<Tensor> leaves;
      for (const auto& tensor : {x, weight, bias}) {
        leaves.push_back(tensor.clone().requires_grad_());
      }
      const Tensor y = linear(leaves[0], leaves[1], leaves[2]);
      y.backward(g);
      return std::vector{y.detach(), leaves[0].grad(), leaves[1].grad(), leaves[2].grad()};
    };
    const auto expected = results_of(
        [](const Tensor& a, const Tensor& w, const Tensor& b) { return torch::linear(a, w, b); });
    const auto chosen = results_of(
        [](const Tensor& a, const Tensor& w, const Tensor& b) { return Linear(a, w, b); });
    for (size_t i = 0; i < expected.size(); ++i) ExpectClose(chosen[i], expected[i]);
    for (const bool gradients : {false, true}) {
      const auto got = results_of([&](const Tensor& a, const Tensor& w, const Tensor& b) {
        return Linear(a, w, b, {.forward = true, .gradients = gradients});
      });
      for (size_t i = 0; i < expected.size(); ++i) ExpectClose(got[i], expected[i]);
    }
  }
}

TEST(OneDnnLinear, SmallProductsAreLeftToLibTorch) {
  EXPECT_FALSE(OneDnnProductsOf(64, 64, 64).forward);
  EXPECT_FALSE(OneDnnProductsOf(64, 64, 64).gradients);
}

}  // namespace
}  // namespace millrace
