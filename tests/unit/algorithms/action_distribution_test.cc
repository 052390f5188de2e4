#include "algorithms/action_distribution.h"

#include "gtest/gtest.h"
#include "inference/action_probability.h"
#include "millrace/inference/inference_model.h"

namespace millrace {
namespace {

std::span<float> Row(const torch::Tensor& tensor, int64_t row) {
  return {tensor[row].data_ptr<float>(), static_cast<size_t>(tensor.size(1))};
}

TEST(EvaluateActions, AgreesWithTheNativeSampler) {
  ActionSpec action = ActionSpec::Discrete(4);
  action.components.push_back(ActionSpec::Continuous({-1, -1}, {1, 1}).components[0]);
  action.components.push_back(ActionSpec::Discrete(3).components[0]);
  constexpr int64_t kRows = 64;
  torch::manual_seed(1);
  const auto raw_logits = torch::randn({kRows, 7});
  auto mask = torch::randint(0, 2, {kRows, 7}, torch::kUInt8);
  mask.select(1, 1).fill_(1);
  mask.select(1, 5).fill_(1);
  const HeadOutputs heads{raw_logits.masked_fill(mask == 0, -1e9F), torch::randn({kRows, 2}),
                          torch::tensor({-0.7F, 0.4F}), torch::zeros({kRows})};
  TensorDict batch = {{kDiscreteAction, torch::zeros({kRows, 2}, torch::kInt32)},
                      {kContinuousAction, torch::zeros({kRows, 2})}};
  const std::span<const float> log_std(heads.log_std.data_ptr<float>(), 2);

  std::vector<float> log_probs, entropies;
  for (int64_t row = 0; row < kRows; ++row) {
    const std::span<const uint8_t> row_mask(mask[row].data_ptr<uint8_t>(), 7);
    const auto mean = Row(heads.mean, row);
    const std::span<int32_t> discrete(batch[kDiscreteAction][row].data_ptr<int32_t>(), 2);
    log_probs.push_back(SampleAction(action, Row(raw_logits, row), mean, log_std, row_mask,
                                     {1, static_cast<uint64_t>(row), 0}, false, discrete,
                                     Row(batch[kContinuousAction], row)));
    entropies.push_back(ActionEntropy(action, {Row(raw_logits, row), mean, log_std, row_mask}));
  }
  const ActionTerms terms = EvaluateActions(action, heads, batch);
  EXPECT_TRUE(torch::allclose(terms.log_prob, torch::tensor(log_probs), 1e-5, 1e-5));
  EXPECT_TRUE(torch::allclose(terms.entropy, torch::tensor(entropies), 1e-5, 1e-5));
}

}  // namespace
}  // namespace millrace
