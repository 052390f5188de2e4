#include "workers/trainer/trainer_checkpoint.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

ParameterLayout TestLayout() {
  return ParameterLayout(std::vector<ParameterEntry>{{"actor.0.weight", {2, 3}, 0, true},
                                                     {"actor.0.bias", {2}, 6, true}});
}

PolicyPart TestPart(const std::string& policy, float fill) {
  PolicyPart part;
  part.policy = policy;
  part.batch = 7;
  part.train_steps = 9;
  part.version = 11;
  part.trained = {.segments = 28, .env_steps = 28 * 512};
  const std::vector<float> weights(8, fill);
  part.weights.resize(32);
  std::memcpy(part.weights.data(), weights.data(), 32);
  part.optimizer = {{"step", torch::full({1}, 3.0f)},
                    {"exp_avg", torch::arange(8, torch::kFloat32)}};
  part.snapshots[{1, 0}] = std::string("state\0x", 7);
  return part;
}

TEST(TrainerCheckpoint, HoldsEveryPolicyUnderItsName) {
  const auto layout = TestLayout();
  const auto checkpoint = EncodeCheckpoint({TestPart("hider", 1.5f), TestPart("seeker", 2.5f)},
                                           {{"hider", layout}, {"seeker", layout}}, 5);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->train_steps, 18u);
  const auto part = DecodePart(*checkpoint, "seeker", layout);
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(part->batch, 7u);
  EXPECT_EQ(part->version, 11u);
  EXPECT_EQ(part->trained.segments, 28u);
  EXPECT_EQ(part->weights, TestPart("seeker", 2.5f).weights);
  EXPECT_TRUE(torch::equal(part->optimizer.at("exp_avg"), torch::arange(8, torch::kFloat32)));
  EXPECT_EQ(DecodePart(*checkpoint, "nobody", layout).status().code(), absl::StatusCode::kNotFound);
}

// An actor that starts late finds the first one already there.
TEST(TrainerCheckpoint, HasActorSnapshotsAfterTheFirst) {
  PolicyPart first = TestPart("p", 0);
  first.snapshots.clear();
  const auto without = EncodeCheckpoint({first}, {{"p", TestLayout()}}, 1);
  const auto with = EncodeCheckpoint({TestPart("p", 0)}, {{"p", TestLayout()}}, 1);
  ASSERT_TRUE(without.ok() && with.ok());
  const auto none = ReadActorSnapshots(*without), some = ReadActorSnapshots(*with);
  ASSERT_TRUE(none.ok() && some.ok()) << none.status() << some.status();
  EXPECT_TRUE(none->empty());
  EXPECT_EQ(*some, TestPart("p", 0).snapshots);
}

TEST(TrainerCheckpoint, SaysWhichTensorDoesNotFitTheModel) {
  const auto checkpoint = EncodeCheckpoint({TestPart("p", 0)}, {{"p", TestLayout()}}, 1);
  ASSERT_TRUE(checkpoint.ok());
  const ParameterLayout wider(std::vector<ParameterEntry>{{"actor.0.weight", {4, 3}, 0, true}});
  const auto part = DecodePart(*checkpoint, "p", wider);
  ASSERT_FALSE(part.ok());
  EXPECT_NE(part.status().message().find("actor.0.weight"), absl::string_view::npos);
}

}  // namespace
}  // namespace millrace
