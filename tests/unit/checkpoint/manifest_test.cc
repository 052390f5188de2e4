#include "checkpoint/manifest.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

Manifest Sample() {
  return {.train_steps = 12,
          .files = {{"model.safetensors", Summarize("weights")}},
          .state_json = R"({"env_steps":4096,"learning_rate":0.1})"};
}

TEST(Manifest, ReadsBackWhatItWrote) {
  const auto text = EncodeManifest(Sample());
  ASSERT_TRUE(text.ok()) << text.status();
  const auto manifest = DecodeManifest(*text);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->train_steps, 12u);
  EXPECT_EQ(manifest->files, Sample().files);
  EXPECT_EQ(manifest->state_json, Sample().state_json);
}

// A change that JSON does not see (such as of the case of an exponent) is none.
TEST(Manifest, EveryChangeOfMeaningIsNoticed) {
  const std::string text = *EncodeManifest(Sample());
  for (size_t i = 0; i < text.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = text;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      const auto manifest = DecodeManifest(damaged);
      if (!manifest.ok()) {
        EXPECT_EQ(manifest.status().code(), absl::StatusCode::kDataLoss);
        continue;
      }
      EXPECT_EQ(*EncodeManifest(*manifest), text) << "byte " << i;
    }
    EXPECT_TRUE(i + 1 >= text.size() - 1 || !DecodeManifest(text.substr(0, i)).ok());
  }
}

TEST(Manifest, RefusesNamesThatLeaveTheFolder) {
  for (const char* name : {"../x", "a/b", "", ".hidden", "manifest.json", "a b"}) {
    Manifest manifest = Sample();
    manifest.files = {{name, Summarize("")}};
    EXPECT_EQ(EncodeManifest(manifest).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

TEST(Manifest, StateMustBeAnObject) {
  Manifest manifest = Sample();
  for (const char* state : {"", "3", "[]", "{"}) {
    manifest.state_json = state;
    EXPECT_EQ(EncodeManifest(manifest).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace millrace
