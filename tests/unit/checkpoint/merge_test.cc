#include "checkpoint/merge.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "checkpoint/safetensors.h"

namespace millrace {
namespace {

Checkpoint Part(const std::string& policy, float value, uint64_t train_steps) {
  Checkpoint part;
  part.train_steps = train_steps;
  const std::vector<NamedTensor> tensors = {{.name = policy + ".weight",
                                             .dtype = DType::kFloat32,
                                             .shape = {1},
                                             .bytes = std::as_bytes(std::span(&value, 1))}};
  part.files["model.safetensors"] = *EncodeSafetensors(tensors);
  part.manifest_json =
      nlohmann::json{{"seed", 3}, {"policies", {{policy, {{"batch", train_steps}}}}}}.dump();
  return part;
}

TEST(MergeCheckpoints, UnitesTensorsAndPolicies) {
  const auto merged = MergeCheckpoints({Part("left", 1.0f, 4), Part("right", 2.0f, 5)});
  ASSERT_TRUE(merged.ok()) << merged.status();
  EXPECT_EQ(merged->train_steps, 9u);
  const auto manifest = nlohmann::json::parse(merged->manifest_json);
  EXPECT_EQ(manifest["policies"]["left"]["batch"], 4);
  EXPECT_EQ(manifest["policies"]["right"]["batch"], 5);
  EXPECT_EQ(manifest["seed"], 3);
  const auto model = DecodeSafetensors(merged->files.at("model.safetensors"));
  ASSERT_TRUE(model.ok());
  ASSERT_NE(model->Find("right.weight"), nullptr);
  EXPECT_EQ(*reinterpret_cast<const float*>(model->Find("right.weight")->bytes.data()), 2.0f);
}

TEST(MergeCheckpoints, RefusesTheSameTensorTwice) {
  EXPECT_FALSE(MergeCheckpoints({Part("left", 1.0f, 4), Part("left", 2.0f, 5)}).ok());
}

}  // namespace
}  // namespace millrace
