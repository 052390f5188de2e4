// The options of type cnn, and the native convolution. Equality with LibTorch is tested in
// tests/unit/models.
#include "inference/cnn_trunk.h"

#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/core/rng.h"
#include "millrace/inference/inference_model.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ObservationSpec Observation() {
  return {{{"speed", DType::kFloat32, {3}, Extent::kRows},
           {"front", DType::kUInt8, {84, 84, 4}, Extent::kRows},
           {"rear", DType::kFloat32, {36, 40, 1}, Extent::kRows},
           {kActionMask, DType::kUInt8, {2}, Extent::kRows}}};
}

Options::Value List(std::vector<std::string> items) {
  return {.items = std::move(items), .is_list = true, .where = "a.yaml:3"};
}
Options::Value Filters(std::vector<std::string> items, std::vector<size_t> lengths) {
  Options::Value value = List(std::move(items));
  value.lengths = std::move(lengths);
  return value;
}
Options::Value Scalar(const std::string& text) {
  return {.items = {text}, .is_list = false, .where = "a.yaml:3"};
}

absl::StatusOr<ModelSpec> Read(std::map<std::string, Options::Value> values,
                               ObservationSpec observation = Observation()) {
  values["type"] = Scalar("cnn");
  return ModelSpec::FromOptions(Options(std::move(values)), std::move(observation),
                                ActionSpec::Discrete(2));
}

std::string ErrorOf(std::map<std::string, Options::Value> values,
                    ObservationSpec observation = Observation()) {
  return std::string(Read(std::move(values), std::move(observation)).status().message());
}

TEST(CnnOptions, DefaultsAreTheNetworkOfMnihOverEveryImage) {
  const auto spec = Read({});
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_THAT(spec->convolution.images, ElementsAre("front", "rear"));
  EXPECT_EQ(spec->activation, Activation::kRelu);
  EXPECT_TRUE(spec->one_trunk());
  EXPECT_EQ(spec->state_size(), 0);
  EXPECT_EQ(spec->num_features(), 3);
  const ParameterLayout layout(*spec);
  using Shape = std::vector<int64_t>;
  EXPECT_EQ(layout.Find("trunk.image.front.0.weight")->shape, (Shape{32, 4, 8, 8}));
  EXPECT_EQ(layout.Find("trunk.image.front.1.weight")->shape, (Shape{64, 32, 4, 4}));
  EXPECT_EQ(layout.Find("trunk.image.rear.0.weight")->shape, (Shape{32, 1, 8, 8}));
  // front: 84 -> 20 -> 9 -> 7; rear: 36 x 40 -> 8 x 9 -> 3 x 3 -> 1 x 1
  EXPECT_EQ(layout.Find("trunk.0.weight")->shape, (Shape{512, 49 * 64 + 64 + 3}));
}

TEST(CnnOptions, WhatIsNoImageIsAFeature) {
  const auto spec = Read({{"images", List({"front"})},
                          {"filters", Filters({"8", "4", "4", "16", "3", "2"}, {3, 3})},
                          {"shared_trunk", Scalar("false")},
                          {"lstm_size", Scalar("10")},
                          {"normalize_observation", Scalar("true")},
                          {"hidden", List({})}});
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->num_features(), 3 + 36 * 40);
  EXPECT_EQ(spec->state_size(), 2 * 2 * 10);
  const ParameterLayout layout(*spec);
  EXPECT_EQ(layout.Find("critic.image.front.1.bias")->shape, std::vector<int64_t>{16});
  EXPECT_EQ(layout.Find("critic_lstm.weight_ih")->shape,
            (std::vector<int64_t>{40, 10 * 10 * 16 + 3 + 36 * 40}));  // 84 -> 21 -> 10
  EXPECT_EQ(layout.Find("observation_mean")->shape, std::vector<int64_t>{3 + 36 * 40});
}

TEST(CnnOptions, MistakesNameThePlaceAndTheNearestName) {
  const auto place = HasSubstr("a.yaml:3: model.");
  EXPECT_THAT(ErrorOf({{"images", List({"frnt"})}}), AllOf(place, HasSubstr("mean \"front\"")));
  EXPECT_THAT(ErrorOf({{"images", List({"speed"})}}),
              AllOf(place, HasSubstr("[H, W, C]"), HasSubstr("\"speed\" of shape [3]")));
  EXPECT_THAT(ErrorOf({{"images", List({"rear", "rear"})}}), HasSubstr("at most once in images"));
  EXPECT_THAT(ErrorOf({{"images", List({})}}), AllOf(place, HasSubstr("at least one field")));
  EXPECT_THAT(ErrorOf({{"image", List({"rear"})}}), HasSubstr("\"images\""));
  EXPECT_THAT(ErrorOf({}, {{{"x", DType::kInt64, {9, 9, 1}, Extent::kRows}}}),
              AllOf(HasSubstr("uint8 or float32"), HasSubstr("\"x\" of int64")));
  EXPECT_THAT(ErrorOf({}, {{{"x", DType::kUInt8, {9, 9}, Extent::kRows}}}),
              HasSubstr("model.images: expected at least one field of shape [H, W, C], got none"));
  EXPECT_THAT(ErrorOf({{"filters", List({"32", "8", "4"})}}),
              HasSubstr("a.yaml:3: filters: expected a list of lists of numbers"));
  EXPECT_THAT(ErrorOf({{"filters", Filters({"32", "8"}, {2})}}),
              AllOf(place, HasSubstr("[channels, kernel, stride]"), HasSubstr("got [32, 8]")));
  EXPECT_THAT(ErrorOf({{"filters", Filters({"32", "8", "0"}, {3})}}), HasSubstr("[32, 8, 0]"));
  EXPECT_THAT(ErrorOf({{"filters", Filters({"32", "2.5", "1"}, {3})}}), HasSubstr("[32, 2.5, 1]"));
  EXPECT_THAT(ErrorOf({{"filters", List({})}}), AllOf(place, HasSubstr("at least one list")));
  EXPECT_THAT(ErrorOf({{"filters", Filters({"8", "4", "4", "8", "10", "1"}, {3, 3})}}),
              AllOf(place, HasSubstr("within the [9, 10] that layer 2 sees of \"rear\""),
                    HasSubstr("got 10")));
  EXPECT_THAT(ErrorOf({{"normalize_observation", Scalar("true")}},
                      {{{"x", DType::kUInt8, {36, 36, 1}, Extent::kRows}}}),
              AllOf(place, HasSubstr("images alone")));
}

// Two 2 x 2 kernels over a picture of 3 x 4 pixels of two channels, stride 2 to the right and down:
// every sum by hand.
TEST(Convolution, SumsAsWorkedByHand) {
  ModelSpec spec;
  spec.type = "cnn";
  spec.hidden = {};
  spec.activation = Activation::kRelu;
  spec.shared_trunk = true;
  spec.observation.fields = {{"x", DType::kUInt8, {3, 4, 2}, Extent::kRows},
                             {"speed", DType::kFloat32, {1}, Extent::kRows}};
  spec.convolution = {.images = {"x"}, .filters = {{2, 2, 2}}};
  spec.action = ActionSpec::Discrete(5);
  // Filter 0 adds channel 0 of the upper row of its window, filter 1 takes channel 1 of the lower
  // right pixel with a minus and adds 2.
  std::vector<float> weights = {1, 1, 0, 0, 0, 0, 0, 0,   //
                                0, 0, 0, 0, 0, 0, 0, -1,  //
                                0, 2};
  // The logits are the trunk's outputs: two windows of two filters, then the speed.
  for (int logit = 0; logit < 5; ++logit) {
    for (int input = 0; input < 5; ++input) weights.push_back(logit == input ? 1.0F : 0.0F);
  }
  weights.insert(weights.end(), 5 + 6, 0.0F);  // biases, value head
  auto model = MakeNativeModel(spec);
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_TRUE((*model)->Load(std::as_bytes(std::span(weights))).ok());
  std::vector<uint8_t> x(24);
  const auto pixel = [&x](size_t row, size_t column, size_t channel) -> uint8_t& {
    return x[(row * 4 + column) * 2 + channel];
  };
  pixel(0, 0, 0) = 51;  // the first window: 51 / 255 + 102 / 255 = 0.6
  pixel(0, 1, 0) = 102;
  pixel(1, 1, 1) = 255;  // and 2 - 1
  pixel(0, 3, 0) = 255;  // the second: 1
  pixel(0, 3, 1) = 200;  // nobody reads it
  pixel(2, 2, 0) = 200;  // nor the third row, for which there is no fourth
  float speed = -3, value = 0;
  std::vector<float> logits(5);
  const std::vector<int64_t> image = {1, 3, 4, 2}, one = {1, 1};
  const TensorView views[] = {{DType::kUInt8, image, reinterpret_cast<std::byte*>(x.data())},
                              {DType::kFloat32, one, reinterpret_cast<std::byte*>(&speed)}};
  ASSERT_TRUE((*model)->Forward(1, views, {}, {logits, {}, {}, {&value, 1}}).ok());
  const float expected[] = {0.6F, 1, 1, 2, -3};
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(logits[i], expected[i], 1e-6) << i;
}

TEST(CnnTrunk, ARowIsBitEqualInEveryBatch) {
  ModelSpec spec;
  spec.type = "cnn";
  spec.hidden = {70};
  spec.observation.fields = {{"x", DType::kUInt8, {13, 11, 3}, Extent::kRows}};
  spec.convolution = {.images = {"x"}, .filters = {{40, 3, 2}, {70, 3, 1}}};
  spec.action = ActionSpec::Discrete(3);
  constexpr size_t kRows = 9, kPixels = 13 * 11 * 3;
  Rng rng(3, 0);
  std::vector<float> weights(ParameterLayout(spec).num_floats());
  for (float& weight : weights) weight = static_cast<float>(rng.Normal()) * 0.1F;
  std::vector<uint8_t> x(kRows * kPixels);
  for (uint8_t& pixel : x) pixel = static_cast<uint8_t>(rng.Below(256));
  auto model = MakeNativeModel(spec);
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_TRUE((*model)->Load(std::as_bytes(std::span(weights))).ok());
  const auto forward = [&](size_t first, size_t rows) {
    const std::vector<int64_t> shape = {static_cast<int64_t>(rows), 13, 11, 3};
    const TensorView view{DType::kUInt8, shape,
                          reinterpret_cast<std::byte*>(x.data() + first * kPixels)};
    std::vector<float> logits(rows * 3), value(rows);
    const HeadSpans heads{logits, {}, {}, value};
    EXPECT_TRUE((*model)->Forward(static_cast<int>(rows), {&view, 1}, {}, heads).ok());
    logits.insert(logits.end(), value.begin(), value.end());
    return logits;
  };
  const auto all = forward(0, kRows);
  for (size_t row = 0; row < kRows; ++row) {
    const auto one = forward(row, 1);
    EXPECT_EQ(std::memcmp(one.data(), all.data() + row * 3, 3 * sizeof(float)), 0) << row;
    EXPECT_EQ(one[3], all[kRows * 3 + row]);
  }
}

}  // namespace
}  // namespace millrace
