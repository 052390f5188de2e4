#include "workers/actor/snapshot_codec.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(SnapshotCodec, ReadsBackWhatWasWritten) {
  SnapshotWriter writer;
  writer.Add("environment");
  writer.AddVector(std::vector<float>{1.5f, -2.0f});
  writer.Add("");
  const std::string data = writer.Take();
  SnapshotReader reader(data);
  EXPECT_EQ(*reader.Next(), "environment");
  std::vector<float> values(2);
  ASSERT_TRUE(reader.NextVector(values).ok());
  EXPECT_EQ(values, (std::vector<float>{1.5f, -2.0f}));
  EXPECT_EQ(*reader.Next(), "");
  EXPECT_EQ(reader.Next().status().code(), absl::StatusCode::kDataLoss);
}

TEST(SnapshotCodec, RefusesEveryTruncation) {
  SnapshotWriter writer;
  writer.Add("abcdef");
  const std::string data = writer.Take();
  for (size_t length = 0; length < data.size(); ++length) {
    const std::string cut = data.substr(0, length);
    SnapshotReader reader(cut);
    EXPECT_FALSE(reader.Next().ok()) << length;
  }
}

TEST(SnapshotCodec, RefusesAVectorOfAnotherLength) {
  SnapshotWriter writer;
  writer.AddVector(std::vector<int>{1, 2, 3});
  const std::string data = writer.Take();
  SnapshotReader reader(data);
  std::vector<int> values(2);
  EXPECT_FALSE(reader.NextVector(values).ok());
}

}  // namespace
}  // namespace millrace
