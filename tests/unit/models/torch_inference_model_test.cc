#include "models/torch_inference_model.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace {
namespace {

constexpr int kRows = 3;

ObservationSpec Observation() {
  return {{{"position", DType::kFloat32, {2}}, {"kind", DType::kInt32, {}}}};
}

// state' = state + position + kind; the value is the sum of the state, every logit the first entry.
class Accumulator : public Policy {
 public:
  explicit Accumulator(bool forgetful = false) : forgetful_(forgetful) {
    scale_ = register_parameter("scale", torch::ones({1}));
  }
  int64_t state_size() const override { return 2; }
  HeadOutputs Forward(const TensorDict& observation, const torch::Tensor& first,
                      const torch::Tensor& state) override {
    const torch::Tensor position = observation.at("observation/position");
    const torch::Tensor kind = observation.at("observation/kind").unsqueeze(-1);
    torch::Tensor now = state;
    std::vector<torch::Tensor> states;
    for (int64_t step = 0; step < position.size(0); ++step) {
      now = now * (1 - first[step].unsqueeze(-1)) + (position[step] + kind[step]) * scale_;
      states.push_back(now);
    }
    const torch::Tensor all = torch::stack(states);
    HeadOutputs heads;
    heads.logits = all.narrow(-1, 0, 1).expand({-1, -1, 2});
    heads.value = all.sum(-1);
    if (!forgetful_) heads.state = now;
    return heads;
  }

 private:
  const bool forgetful_;
  torch::Tensor scale_;
};

struct Step {
  std::vector<float> position = {1, 2, 3, 4, 5, 6};  // [3, 2]
  std::vector<int32_t> kind = {10, 20, 30};
  std::vector<int64_t> position_shape = {kRows, 2}, kind_shape = {kRows};
  std::vector<float> logits = std::vector<float>(6), value = std::vector<float>(3);

  absl::Status Run(InferenceModel& model, std::vector<float>& state) {
    const std::vector<TensorView> views = {
        {DType::kFloat32, position_shape, reinterpret_cast<std::byte*>(position.data())},
        {DType::kInt32, kind_shape, reinterpret_cast<std::byte*>(kind.data())}};
    return model.Forward(kRows, views, state,
                         {.logits = logits, .mean = {}, .log_std = {}, .value = value});
  }
};

TEST(TorchInferenceModel, CarriesTheStateOfARecurrentModule) {
  const auto model = MakeTorchInferenceModel(std::make_shared<Accumulator>(), Observation(),
                                             ActionSpec::Discrete(2));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->state_size(), 2);
  std::vector<float> state = {0, 0, 0, 0, 100, 200};
  Step step;
  ASSERT_TRUE(step.Run(**model, state).ok());
  EXPECT_EQ(state, (std::vector<float>{11, 12, 23, 24, 135, 236}));
  EXPECT_EQ(step.value, (std::vector<float>{23, 47, 371}));
  EXPECT_EQ(step.logits, (std::vector<float>{11, 11, 23, 23, 135, 135}));
  ASSERT_TRUE(step.Run(**model, state).ok());
  EXPECT_EQ(state, (std::vector<float>{22, 24, 46, 48, 170, 272}));
}

TEST(Policy, ItsLayoutIsWhatItHasRegistered) {
  const ParameterLayout layout = Accumulator().layout();
  ASSERT_EQ(layout.entries().size(), 1u);
  EXPECT_EQ(layout.entries()[0].name, "scale");
  EXPECT_EQ(layout.num_trainable(), 1u);
}

TEST(TorchInferenceModel, LoadsTheBlobIntoTheModule) {
  const auto model = MakeTorchInferenceModel(std::make_shared<Accumulator>(), Observation(),
                                             ActionSpec::Discrete(2));
  const std::vector<float> blob = {2};
  ASSERT_TRUE((*model)->Load(std::as_bytes(std::span(blob))).ok());
  std::vector<float> state(6);
  ASSERT_TRUE(Step().Run(**model, state).ok());
  EXPECT_EQ(state, (std::vector<float>{22, 24, 46, 48, 70, 72}));
  EXPECT_TRUE(absl::IsInvalidArgument((*model)->Load({})));
}

TEST(TorchInferenceModel, AModuleThatDoesNotFitIsRefused) {
  const auto forgetful = MakeTorchInferenceModel(std::make_shared<Accumulator>(/*forgetful=*/true),
                                                 Observation(), ActionSpec::Discrete(2));
  EXPECT_EQ(forgetful.status().message(),
            "output state: expected float32 [3, 2], got an undefined tensor");
  const auto wrong_action = MakeTorchInferenceModel(std::make_shared<Accumulator>(), Observation(),
                                                    ActionSpec::Discrete(4));
  EXPECT_EQ(wrong_action.status().message(),
            "output logits: expected float32 [1, 3, 4], got Float [1, 3, 2]");
}

}  // namespace
}  // namespace millrace
