#include "millrace/inference/model_spec.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

ObservationSpec FourFloats() { return {{{"observation", DType::kFloat32, {4}, Extent::kRows}}}; }

Options With(std::map<std::string, Options::Value> values) { return Options(std::move(values)); }
Options::Value Scalar(const std::string& text) {
  return {.items = {text}, .is_list = false, .quoted = false, .where = "a.yaml:3"};
}

std::string ErrorOf(const Options& options) {
  return std::string(
      ModelSpec::FromOptions(options, FourFloats(), ActionSpec::Discrete(2)).status().message());
}

TEST(ModelSpec, DefaultsAreTwoSeparateTanhNetworks) {
  const auto spec = ModelSpec::FromOptions(Options(), FourFloats(), ActionSpec::Discrete(2));
  ASSERT_TRUE(spec.ok()) << spec.status();
  const ParameterLayout layout(*spec);
  // Two nets 4-64-64-{2,1}: (4*64+64 + 64*64+64) * 2 + 64*2+2 + 64+1.
  EXPECT_EQ(layout.num_floats(), 2U * (320 + 4160) + 130 + 65);
  EXPECT_EQ(layout.num_trainable(), layout.num_floats());
  EXPECT_EQ(layout.entries()[0].name, "actor.0.weight");
  EXPECT_EQ(layout.Find("critic.1.bias")->shape, std::vector<int64_t>{64});
  EXPECT_EQ(layout.Find("log_std"), nullptr);
}

TEST(ModelSpec, MistakesNameThePlaceAndTheNearestName) {
  EXPECT_THAT(ErrorOf(With({{"type", Scalar("lstn")}})),
              AllOf(HasSubstr("a.yaml:3"), HasSubstr("\"lstm\"")));
  EXPECT_THAT(ErrorOf(With({{"activation", Scalar("tan")}})), HasSubstr("\"tanh\""));
  EXPECT_THAT(ErrorOf(With({{"hiden", Scalar("3")}})), HasSubstr("\"hidden\""));
  EXPECT_THAT(ErrorOf(With({{"lstm_size", Scalar("8")}})), HasSubstr("a.yaml:3"));
  const auto gru = Scalar("gru");
  EXPECT_THAT(ErrorOf(With({{"type", gru}, {"gru_size", Scalar("0")}})),
              HasSubstr("a.yaml:3: model.gru_size: expected at least 1"));
  EXPECT_THAT(ErrorOf(With({{"type", gru}, {"lstm_size", Scalar("8")}})),
              HasSubstr("\"gru_size\""));
  EXPECT_THAT(ErrorOf(With({{"type", gru}, {"shared_trunk", Scalar("false")}})),
              HasSubstr("which has one trunk"));
  EXPECT_THAT(
      ErrorOf(
          With({{"hidden",
                 {.items = {"64", "0"}, .is_list = true, .quoted = false, .where = "a.yaml:4"}}})),
      HasSubstr("a.yaml:4"));
}

TEST(ModelSpec, TheActionMaskIsNoFeature) {
  ModelSpec spec;
  spec.observation = FourFloats();
  spec.observation.fields.push_back({kActionMask, DType::kUInt8, {2}, Extent::kRows});
  EXPECT_EQ(spec.num_features(), 4);
}

TEST(ParameterLayout, NormaliserStatisticsComeLast) {
  ModelSpec spec;
  spec.observation = FourFloats();
  spec.action = ActionSpec::Continuous({-1}, {1});
  spec.normalize_observation = spec.normalize_value = true;
  const ParameterLayout layout(spec);
  EXPECT_EQ(layout.num_floats() - layout.num_trainable(), 4U + 4 + 1 + 1);
  EXPECT_EQ(layout.Find("log_std")->offset, layout.num_trainable() - 1);
  EXPECT_FALSE(layout.Find("value_mean")->trainable);
}

TEST(ParameterLayout, DifferentModelsHaveDifferentHashes) {
  ModelSpec a;
  a.observation = FourFloats();
  a.action = ActionSpec::Discrete(2);
  ModelSpec b = a;
  b.hidden = {64, 65};
  EXPECT_EQ(ParameterLayout(a).hash(), ParameterLayout(a).hash());
  EXPECT_NE(ParameterLayout(a).hash(), ParameterLayout(b).hash());
}

}  // namespace
}  // namespace millrace
