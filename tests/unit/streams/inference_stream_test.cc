#include "streams/inference_stream.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

InferenceSpec MakeSpec(int32_t state_size) {
  InferenceSpec spec;
  spec.policy = "default";
  spec.observation.fields = {{"image", DType::kUInt8, {10}, Extent::kRows},
                             {"speed", DType::kFloat32, {2}, Extent::kRows}};
  spec.action = ActionSpec::Discrete(3);
  spec.rows = 4;
  spec.state_size = state_size;
  return spec;
}

std::vector<std::string> Names(const Layout& layout) {
  std::vector<std::string> names;
  for (const Field& field : layout.schema().fields()) names.push_back(field.name);
  return names;
}

TEST(InferenceSpec, RequestsHoldObservationsFlagsLastObservationsAndState) {
  const Layout layout = MakeSpec(6).RequestLayout();
  EXPECT_EQ(Names(layout),
            (std::vector<std::string>{"observation/image", "observation/speed", "flags",
                                      "final/image", "final/speed", "state"}));
  EXPECT_EQ(layout.shape(0), (std::vector<int64_t>{4, 10}));
  EXPECT_EQ(layout.shape(2), (std::vector<int64_t>{4}));
  EXPECT_EQ(layout.shape(5), (std::vector<int64_t>{4, 6}));
}

TEST(InferenceSpec, RepliesHoldActionsLogProbabilitiesAndValues) {
  EXPECT_EQ(
      Names(MakeSpec(6).ReplyLayout()),
      (std::vector<std::string>{"action/discrete", "log_prob", "value", "final_value", "state"}));
}

TEST(InferenceSpec, FeedForwardPoliciesHaveNoState) {
  EXPECT_EQ(MakeSpec(0).RequestLayout().schema().Find(kRecurrentState), -1);
  EXPECT_EQ(MakeSpec(0).ReplyLayout().schema().Find(kRecurrentState), -1);
}

TEST(InferenceSpec, TheCompactPrefixEndsBehindTheFlags) {
  // image 4 x 10 bytes, speed 4 x 2 x 4 bytes and flags 4 bytes, each on 64 bytes.
  EXPECT_EQ(MakeSpec(6).CompactRequestBytes(), 3u * 64);
  EXPECT_EQ(MakeSpec(0).CompactRequestBytes(), 3u * 64);
}

}  // namespace
}  // namespace millrace
