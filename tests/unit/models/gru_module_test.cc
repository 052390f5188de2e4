#include "gtest/gtest.h"
#include "native_equals_torch.h"

namespace millrace {
namespace {

ModelSpec Spec(int64_t size) {
  ModelSpec spec;
  spec.type = "gru";
  spec.hidden = {24};
  spec.gru_size = size;
  spec.normalize_observation = spec.normalize_value = true;
  spec.observation.fields = {{"observation", DType::kFloat32, {5}, Extent::kRows},
                             {kActionMask, DType::kUInt8, {3}, Extent::kRows}};
  spec.action = ActionSpec::Discrete(3);
  spec.action.components.push_back(ActionSpec::Continuous({-1, -1}, {1, 1}).components[0]);
  return spec;
}

TEST(Gru, NativeEqualsLibTorchOverASequenceWithResets) {
  torch::manual_seed(1);
  for (const int64_t size : {1, 7, 16, 20, 64}) {
    SCOPED_TRACE(size);
    ExpectNativeEqualsTorch(Spec(size), /*steps=*/7, /*rows=*/13);
    ExpectModuleHasTheLayout(Spec(size));
  }
}

TEST(Gru, FollowsLibTorchsOwn) {
  torch::manual_seed(2);
  const torch::NoGradGuard no_gradient;
  Rng rng(1, 0);
  const GruModule ours(6, 9, rng);
  torch::nn::GRU theirs(6, 9);
  const std::pair<const char*, const char*> names[] = {{"weight_ih", "weight_ih_l0"},
                                                       {"weight_hh", "weight_hh_l0"},
                                                       {"bias_ih", "bias_ih_l0"},
                                                       {"bias_hh", "bias_hh_l0"}};
  for (const auto& [name, builtin] : names) {
    ours.named_parameters()[name].copy_(theirs->named_parameters()[builtin]);
  }
  const auto x = torch::randn({5, 4, 6}), state = torch::randn({4, 9});
  const auto got = ours.Forward(x, torch::zeros({5, 4}, torch::kUInt8), state);
  const auto [hidden, last] = theirs->forward(x, state.unsqueeze(0));
  EXPECT_TRUE(torch::allclose(got.hidden, hidden, 1e-5, 1e-6));
  EXPECT_TRUE(torch::allclose(got.state, last[0], 1e-5, 1e-6));
}

}  // namespace
}  // namespace millrace
