#include "models/slate_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/subsets.h"
#include "models/torch_inference_model.h"

namespace millrace {
namespace {

using testing::HasSubstr;

constexpr int64_t kItems = 30;

ObservationSpec Observation() {
  ObservationSpec observation;
  for (const char* const name : {"candidate_0", "candidate_1", "candidate_2", "candidate_3"}) {
    observation.id_features.push_back({.name = name, .rows = kItems, .table = "item"});
  }
  observation.id_features.push_back(
      {.name = "seen", .rows = kItems, .max_length = 3, .table = "item"});
  observation.id_features.push_back({.name = "user", .rows = 1'000'000});
  observation.id_features.push_back({.name = "hour", .rows = 24});
  observation.fields = IdFields(observation.id_features);
  return observation;
}

Options With(const std::string& left_out = "user") {
  Options options;
  options.Set("columns", {.items = {"5"}});
  options.Set("slate", {.items = {"2"}});
  options.Set("left_out", {.items = {left_out}, .is_list = true});
  return options;
}

std::shared_ptr<SlatePolicy> Make() {
  auto policy = MakeSlatePolicy(With(), Observation(), ActionSpec::Discrete(6), /*seed=*/1);
  EXPECT_TRUE(policy.ok()) << policy.status();
  auto slate = std::dynamic_pointer_cast<SlatePolicy>(*policy);
  torch::manual_seed(1);
  for (size_t t = 0; t < slate->tables().size(); ++t) slate->rows(t).normal_();
  return slate;
}

// Two samples; of the first nothing was seen.
TensorDict Samples() {
  return {{"observation/ids",
           torch::tensor({3, 1, 4, 1, 777777, 9, 0, 0, 0, 5, 9, 2, 6, 5, 3, 5, 888888, 7},
                         torch::kInt64)
               .view({2, 9})},
          {"observation/id_counts",
           torch::tensor({1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 3, 1, 1}, torch::kInt32).view({2, 7})}};
}

TEST(SlatePolicy, HasATableForFeaturesThatShareIt) {
  const auto policy = Make();
  ASSERT_EQ(policy->tables().size(), 2U);
  EXPECT_EQ(policy->tables()[0].name, "item");
  EXPECT_EQ(policy->tables()[1].name, "hour");
  EXPECT_EQ(policy->features().size(), 6U);
  EXPECT_EQ(policy->rows(0).sizes(), (std::vector<int64_t>{kItems, 5}));
}

TEST(SlatePolicy, LooksUpWhatTheBackendWould) {
  const torch::NoGradGuard no_gradient;
  const auto policy = Make();
  const torch::Tensor item = policy->rows(0), hour = policy->rows(1);
  const torch::Tensor zero = torch::zeros({5});
  TensorDict with_bags = Samples();
  with_bags[TablePolicy::kBags] =
      torch::stack({torch::stack({item[3], item[1], item[4], item[1], zero, hour[9]}),
                    torch::stack({item[5], item[9], item[2], item[6],
                                  (item[5] + item[3] + item[5]) / 3, hour[7]})});
  const HeadOutputs got = policy->Forward(Samples(), {}, {});
  const HeadOutputs expected = policy->Forward(with_bags, {}, {});
  EXPECT_TRUE(torch::allclose(got.logits, expected.logits, 1e-5, 1e-6));
  EXPECT_TRUE(torch::allclose(got.value, expected.value, 1e-5, 1e-6));
}

TEST(SlatePolicy, ASlateIsWorthItsCandidates) {
  const torch::NoGradGuard no_gradient;
  const auto policy = Make();
  const torch::Tensor logits = policy->Forward(Samples(), {}, {}).logits[0];
  // Of the first sample candidates 1 and 3 are the same item.
  const auto slate = [&](int64_t a, int64_t b) {
    const auto slates = Subsets(4, 2);
    const auto found = std::ranges::find(slates, std::vector<int64_t>{a, b});
    return logits[found - slates.begin()].item<float>();
  };
  EXPECT_FLOAT_EQ(slate(0, 1), slate(0, 3));
  EXPECT_FLOAT_EQ(slate(1, 2), slate(2, 3));
  EXPECT_NEAR(slate(0, 1) + slate(2, 3), slate(0, 2) + slate(1, 3), 1e-5);
  EXPECT_NE(slate(0, 1), slate(0, 2));
}

TEST(SlatePolicy, OtherEnvironmentsAreRefused) {
  const auto refusal = [](const Options& options, const ObservationSpec& observation,
                          const ActionSpec& action) {
    return std::string(MakeSlatePolicy(options, observation, action, 1).status().message());
  };
  EXPECT_THAT(refusal(With(), Observation(), ActionSpec::Discrete(5)),
              HasSubstr("chooses a slate of 2 of those"));
  EXPECT_THAT(refusal(With("usr"), Observation(), ActionSpec::Discrete(6)),
              HasSubstr("got \"usr\"; did you mean \"user\"?"));
  ObservationSpec observation = Observation();
  observation.id_features[4].rows = 7;
  EXPECT_THAT(refusal(With(), observation, ActionSpec::Discrete(6)),
              HasSubstr("feature \"seen\" has 7 ids, others of its table \"item\" have 30"));
}

}  // namespace
}  // namespace millrace
