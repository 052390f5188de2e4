#include "inference/native_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "gtest/gtest.h"
#include "millrace/core/rng.h"

namespace millrace {
namespace {

// Equality with LibTorch is tested in tests/unit/models.

struct Heads {
  std::vector<float> logits, mean, log_std, value;
  HeadSpans spans() { return {logits, mean, log_std, value}; }
};

Heads HeadsFor(const ModelSpec& spec, int rows) {
  const auto count = static_cast<size_t>(rows);
  const auto reals = static_cast<size_t>(spec.action.continuous_size());
  return {std::vector<float>(count * static_cast<size_t>(spec.action.num_choices())),
          std::vector<float>(count * reals), std::vector<float>(reals), std::vector<float>(count)};
}

std::vector<float> Random(size_t size, uint64_t stream) {
  Rng rng(7, stream);
  std::vector<float> values(size);
  for (float& value : values) value = static_cast<float>(rng.Normal()) * 0.3F;
  return values;
}

std::unique_ptr<InferenceModel> Make(const ModelSpec& spec, std::span<const float> weights) {
  auto model = MakeNativeModel(spec);
  EXPECT_TRUE(model.ok()) << model.status();
  EXPECT_TRUE((*model)->Load(std::as_bytes(weights)).ok());
  return *std::move(model);
}

ModelSpec Spec(const std::string& type, int64_t features) {
  ModelSpec spec;
  spec.type = type;
  spec.hidden = {40, 64};
  (type == "gru" ? spec.gru_size : spec.lstm_size) = type == "mlp" ? 0 : 24;
  spec.observation.fields = {{"observation", DType::kFloat32, {features}, Extent::kRows}};
  if (type == "entity_attention") spec.entity.circular = {"observation"};
  if (type == "cnn") {
    spec.observation.fields[0].shape = {1, features, 1};
    spec.convolution = {.images = {"observation"}, .filters = {{5, 1, 2}, {20, 1, 1}}};
  }
  spec.action = ActionSpec::Continuous({-1, -1}, {1, 1});
  spec.action.components.push_back(ActionSpec::Discrete(3).components[0]);
  return spec;
}

class NativeModelOf : public testing::TestWithParam<std::string> {};

TEST_P(NativeModelOf, ARowIsBitEqualInEveryBatch) {
  const ModelSpec spec = Spec(GetParam(), 5);
  constexpr int kRows = 23;
  const auto state_size = static_cast<size_t>(spec.state_size());
  const auto model = Make(spec, Random(ParameterLayout(spec).num_floats(), 1));
  auto observation = Random(kRows * 5, 2);
  const auto first_state = Random(kRows * state_size, 3);

  auto state = first_state;
  Heads all = HeadsFor(spec, kRows);
  const std::vector<int64_t> shape = {kRows, 5}, one = {1, 5};
  const TensorView view{DType::kFloat32, shape, reinterpret_cast<std::byte*>(observation.data())};
  ASSERT_TRUE(model->Forward(kRows, {&view, 1}, state, all.spans()).ok());

  for (size_t row = 0; row < kRows; ++row) {
    std::vector<float> row_state(first_state.begin() + static_cast<long>(row * state_size),
                                 first_state.begin() + static_cast<long>((row + 1) * state_size));
    Heads single = HeadsFor(spec, 1);
    const TensorView row_view{DType::kFloat32, one,
                              reinterpret_cast<std::byte*>(observation.data() + row * 5)};
    ASSERT_TRUE(model->Forward(1, {&row_view, 1}, row_state, single.spans()).ok());
    EXPECT_EQ(std::memcmp(single.logits.data(), &all.logits[row * 3], 3 * sizeof(float)), 0);
    EXPECT_EQ(std::memcmp(single.mean.data(), &all.mean[row * 2], 2 * sizeof(float)), 0);
    EXPECT_EQ(single.value[0], all.value[row]);
    const auto expected = std::span(state).subspan(row * state_size, state_size);
    EXPECT_TRUE(std::ranges::equal(std::as_bytes(std::span(row_state)), std::as_bytes(expected)));
  }
}

TEST_P(NativeModelOf, LoadReplacesEveryWeight) {
  const ModelSpec spec = Spec(GetParam(), 5);
  const size_t size = ParameterLayout(spec).num_floats();
  const auto model = Make(spec, Random(size, 1));
  const auto weights = Random(size, 4);
  ASSERT_TRUE(model->Load(std::as_bytes(std::span(weights))).ok());
  const auto fresh = Make(spec, weights);
  auto observation = Random(5, 2);
  const std::vector<int64_t> shape = {1, 5};
  const TensorView view{DType::kFloat32, shape, reinterpret_cast<std::byte*>(observation.data())};
  Heads a = HeadsFor(spec, 1), b = HeadsFor(spec, 1);
  std::vector<float> state(static_cast<size_t>(spec.state_size())), other = state;
  ASSERT_TRUE(model->Forward(1, {&view, 1}, state, a.spans()).ok());
  ASSERT_TRUE(fresh->Forward(1, {&view, 1}, other, b.spans()).ok());
  EXPECT_EQ(a.logits, b.logits);
  EXPECT_EQ(a.value, b.value);
}

INSTANTIATE_TEST_SUITE_P(EveryType, NativeModelOf,
                         testing::Values("mlp", "lstm", "gru", "entity_attention", "cnn"),
                         [](const auto& test) { return test.param; });

TEST(NativeModelErrors, SayWhatWasExpected) {
  const ModelSpec spec = Spec("mlp", 5);
  auto model = MakeNativeModel(spec);
  ASSERT_TRUE(model.ok());
  std::vector<float> observation(5);
  const std::vector<int64_t> shape = {1, 5};
  const TensorView view{DType::kFloat32, shape, reinterpret_cast<std::byte*>(observation.data())};
  Heads heads = HeadsFor(spec, 1);
  EXPECT_EQ((*model)->Forward(1, {&view, 1}, {}, heads.spans()).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ((*model)->Load({}).code(), absl::StatusCode::kInvalidArgument);
  const std::vector<float> weights(ParameterLayout(spec).num_floats());
  ASSERT_TRUE((*model)->Load(std::as_bytes(std::span(weights))).ok());
  EXPECT_EQ((*model)->Forward(2, {&view, 1}, {}, HeadsFor(spec, 2).spans()).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ((*model)->Forward(1, {}, {}, heads.spans()).code(), absl::StatusCode::kInvalidArgument);
}

// A linear policy on two fields with everything normalised, worked by hand.
TEST(NativeModelNormaliser, IsAppliedToFeaturesAndValue) {
  ModelSpec spec;
  spec.hidden = {};
  spec.shared_trunk = spec.normalize_observation = spec.normalize_value = true;
  spec.observation.fields = {{"a", DType::kUInt8, {1}, Extent::kRows},
                             {kActionMask, DType::kUInt8, {2}, Extent::kRows},
                             {"b", DType::kFloat64, {1}, Extent::kRows}};
  spec.action = ActionSpec::Discrete(2);
  // policy weight [2, 2], bias [2]; value weight [1, 2], bias; mean, variance of (a, b); of value.
  const std::vector<float> weights = {1, 0, 0, 1, 0, 5, 1, 1, 0.5F, 3, -1, 4, 0.25F, 10, 9};
  const auto model = Make(spec, weights);
  uint8_t a = 7, mask[2] = {1, 0};
  double b = 100.0;  // (100 + 1) / 0.5 is far beyond the limit of 10
  const std::vector<int64_t> one = {1, 1}, two = {1, 2};
  const TensorView views[] = {{DType::kUInt8, one, reinterpret_cast<std::byte*>(&a)},
                              {DType::kUInt8, two, reinterpret_cast<std::byte*>(mask)},
                              {DType::kFloat64, one, reinterpret_cast<std::byte*>(&b)}};
  Heads heads = HeadsFor(spec, 1);
  ASSERT_TRUE(model->Forward(1, views, {}, heads.spans()).ok());
  EXPECT_NEAR(heads.logits[0], (7 - 3) / 2.0, 1e-5);
  EXPECT_NEAR(heads.logits[1], 10.0 + 5.0, 1e-5);
  EXPECT_NEAR(heads.value[0], (2.0 + 10.0 + 0.5) * 3.0 + 10.0, 1e-4);
}

}  // namespace
}  // namespace millrace
