// The options of type entity_attention, and what the native trunk makes of masks. Equality with
// LibTorch is tested in tests/unit/models.
#include "inference/entity_trunk.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/inference/inference_model.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

ObservationSpec Observation() {
  return {{{"self", DType::kFloat32, {3}, Extent::kRows},
           {"lidar", DType::kFloat32, {8, 1}, Extent::kRows},
           {"boxes", DType::kFloat32, {4, 5}, Extent::kRows},
           {"sees_boxes", DType::kUInt8, {4}, Extent::kRows},
           {"ramps", DType::kFloat32, {2, 5}, Extent::kRows},
           {"grid", DType::kFloat32, {2, 2, 2}, Extent::kRows},
           {"a.b", DType::kFloat32, {2, 2}, Extent::kRows}}};
}

Options::Value Value(std::vector<std::string> items, bool is_list = true) {
  return {.items = std::move(items), .is_list = is_list, .where = "a.yaml:3"};
}

absl::StatusOr<ModelSpec> Read(std::map<std::string, Options::Value> values) {
  values.try_emplace("type", Value({"entity_attention"}, /*is_list=*/false));
  values.try_emplace("entities", Value({"boxes", "ramps"}));
  return ModelSpec::FromOptions(Options(std::move(values)), Observation(), ActionSpec::Discrete(2));
}

std::string ErrorOf(std::map<std::string, Options::Value> values) {
  return std::string(Read(std::move(values)).status().message());
}

TEST(EntityOptions, DescribeBothNetworks) {
  const auto spec = Read({{"circular", Value({"lidar"})},
                          {"entity_masks", Value({"sees_boxes", "none"})},
                          {"critic_masks", Value({"none", "none"})},
                          {"critic_only", Value({"ramps", "grid"})}});
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->num_features(), 3 + 8 + 20 + 10 + 8 + 4);  // the mask is none
  EXPECT_EQ(spec->state_size(), 2 * 2 * 256);
  const EntityInputs actor = EntityInputsOf(*spec, Network::kActor);
  ASSERT_EQ(actor.sets.size(), 1U);
  EXPECT_EQ(actor.sets[0].column, 11);
  EXPECT_EQ(actor.sets[0].mask, 3);
  EXPECT_EQ(actor.self_width, 3 + 4 + 8 * 9);
  const EntityInputs critic = EntityInputsOf(*spec, Network::kCritic);
  ASSERT_EQ(critic.sets.size(), 2U);
  EXPECT_EQ(critic.sets[0].mask, -1);
  EXPECT_EQ(critic.self_width, 3 + 4 + 8 + 8 * 9);
  const ParameterLayout layout(*spec);
  EXPECT_EQ(layout.Find("actor.entity.ramps.weight"), nullptr);
  EXPECT_EQ(layout.Find("critic.entity.ramps.weight")->shape,
            (std::vector<int64_t>{128, 5 + critic.self_width}));
  EXPECT_NE(layout.Find("critic_lstm_norm.weight"), nullptr);
}

TEST(EntityOptions, TheCriticSeesWhatThePolicySeesUnlessToldOtherwise) {
  const auto spec = Read({{"entity_masks", Value({"sees_boxes", "none"})}});
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(EntityInputsOf(*spec, Network::kCritic).sets[0].mask, 3);
}

TEST(EntityOptions, MistakesNameThePlaceAndTheNearestName) {
  const auto place = HasSubstr("a.yaml:3: model.");
  EXPECT_THAT(ErrorOf({{"entities", Value({"boxs"})}}), AllOf(place, HasSubstr("mean \"boxes\"")));
  EXPECT_THAT(ErrorOf({{"entities", Value({})}}), AllOf(place, HasSubstr("at least one")));
  EXPECT_THAT(ErrorOf({{"entities", Value({"self"})}}),
              AllOf(place, HasSubstr("[N, F]"), HasSubstr("\"self\" of shape [3]")));
  EXPECT_THAT(ErrorOf({{"entities", Value({"boxes", "boxes"})}}), HasSubstr("at most once"));
  EXPECT_THAT(ErrorOf({{"entities", Value({"a.b"})}}), HasSubstr("without a dot"));
  EXPECT_THAT(ErrorOf({{"entity_masks", Value({"sees_boxes"})}}),
              AllOf(place, HasSubstr("one for each of the 2")));
  EXPECT_THAT(ErrorOf({{"entity_masks", Value({"none", "sees_boxes"})}}),
              AllOf(place, HasSubstr("shape [2]"), HasSubstr("of shape [4]")));
  EXPECT_THAT(ErrorOf({{"entity_masks", Value({"sees_box", "none"})}}), HasSubstr("sees_boxes"));
  EXPECT_THAT(ErrorOf({{"circular", Value({"grid"})}}), HasSubstr("[L] or [L, C]"));
  EXPECT_THAT(ErrorOf({{"circular", Value({"lidar"})}, {"circular_width", Value({"9"}, false)}}),
              HasSubstr("L at least the 9"));
  EXPECT_THAT(ErrorOf({{"critic_only", Value({"gird"})}}), AllOf(place, HasSubstr("\"grid\"")));
  EXPECT_THAT(ErrorOf({{"critic_only", Value({"grid"})}, {"shared_trunk", Value({"true"}, false)}}),
              HasSubstr("shared_trunk"));
  EXPECT_THAT(ErrorOf({{"heads", Value({"3"}, false)}}), AllOf(place, HasSubstr("divisor")));
  EXPECT_THAT(ErrorOf({{"hidden", Value({})}}), AllOf(place, HasSubstr("at least one layer")));
  EXPECT_THAT(ErrorOf({{"embeding", Value({"3"}, false)}}), HasSubstr("\"embedding\""));
  EXPECT_THAT(ErrorOf({{"critic_only", Value({"self", "lidar", "grid", "sees_boxes", "a.b"})}}),
              AllOf(place, HasSubstr("a flat or circular field")));
}

TEST(EntityOptions, DenseLayersReadThemTooAndNeedNone) {
  const Options::Value mlp = Value({"mlp"}, /*is_list=*/false);
  auto spec = Read({{"type", mlp},
                    {"entity_masks", Value({"sees_boxes", "none"})},
                    {"critic_only", Value({"grid"})}});
  ASSERT_TRUE(spec.ok()) << spec.status();
  const int64_t flat = 3 + 8 + 4, sets = 20 + 4 + 10;
  EXPECT_EQ(EntityInputsOf(*spec, Network::kActor).dense_width(), flat + sets);
  EXPECT_EQ(EntityInputsOf(*spec, Network::kCritic).dense_width(), flat + sets + 8);
  EXPECT_EQ(ParameterLayout(*spec).Find("actor.0.weight")->shape,
            (std::vector<int64_t>{64, flat + sets}));

  spec = Read({{"type", mlp}, {"entities", Value({})}});
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_TRUE(EntityInputsOf(*spec, Network::kActor).all_features());

  EXPECT_THAT(ErrorOf({{"type", mlp}, {"circular", Value({"lidar"})}}), HasSubstr("circular"));
  EXPECT_THAT(
      ErrorOf({{"type", Value({"lstm"}, /*is_list=*/false)}, {"critic_only", Value({"grid"})}}),
      HasSubstr("critic_only"));
}

// One entity of one number, an embedding of two, no norm, every weight by hand.
TEST(EntityTrunk, AttendsAsWorkedByHand) {
  ModelSpec spec;
  spec.type = "entity_attention";
  spec.hidden = {1};
  spec.activation = Activation::kRelu;
  spec.shared_trunk = true;
  spec.observation.fields = {{"self", DType::kFloat32, {1}, Extent::kRows},
                             {"thing", DType::kFloat32, {1, 1}, Extent::kRows},
                             {"is_there", DType::kUInt8, {1}, Extent::kRows}};
  spec.entity.sets = {{"thing", "is_there", ""}};
  spec.entity.embedding = spec.entity.heads = 1;
  spec.entity.layer_norm = false;
  spec.action = ActionSpec::Discrete(1);
  const std::vector<float> weights = {1, 0,              // self -> token 0
                                      1, 0, 0,           // [thing, self] -> token: the thing alone
                                      1, 1, 1, 0, 0, 0,  // query = key = value = token
                                      1, 0,              // out
                                      1, 0, 0,           // [mean, first] -> the mean
                                      1, 0, 1, 0};       // policy, value
  auto model = MakeNativeModel(spec);
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_TRUE((*model)->Load(std::as_bytes(std::span(weights))).ok());
  float self = 1, thing = 2, value = 0, logit = 0;
  uint8_t is_there = 1;
  const std::vector<int64_t> one = {1, 1}, set = {1, 1, 1};
  const TensorView views[] = {{DType::kFloat32, one, reinterpret_cast<std::byte*>(&self)},
                              {DType::kFloat32, set, reinterpret_cast<std::byte*>(&thing)},
                              {DType::kUInt8, one, reinterpret_cast<std::byte*>(&is_there)}};
  const HeadSpans heads{{&logit, 1}, {}, {}, {&value, 1}};
  ASSERT_TRUE((*model)->Forward(1, views, {}, heads).ok());
  // Tokens 1 and 2. Weights of token 2: for query 1 e^2 / (e^1 + e^2), for query 2 e^4 / (e^2 +
  // e^4).
  const double p = 1 / (1 + std::exp(-1.0)), q = 1 / (1 + std::exp(-2.0));
  EXPECT_NEAR(value, ((1 + (1 - p) + 2 * p) + (2 + (1 - q) + 2 * q)) / 2, 1e-5);
  is_there = 0;
  ASSERT_TRUE((*model)->Forward(1, views, {}, heads).ok());
  EXPECT_NEAR(value, 1 + 1, 1e-6);
}

}  // namespace
}  // namespace millrace
