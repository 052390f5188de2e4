#include "report/tensorboard_writer.h"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "ledger_folder.h"
#include "tensorboard.pb.h"

namespace millrace {
namespace {

using TensorBoardTest = LedgerFolder;

RunMetrics Sample(uint64_t env_steps) {
  RunMetrics metrics;
  metrics.time = 1700000000.5;
  metrics.env_steps = env_steps;
  metrics.episode_means = EpisodeMeans{87.25, 87};
  metrics.training["loss/policy"] = -0.5;
  return metrics;
}

TEST_F(TensorBoardTest, WritesARecordPerCall) {
  auto writer = TensorBoardWriter::Create(folder_ / "tensorboard");
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->Write(Sample(1000)).ok());
  ASSERT_TRUE((*writer)->Write(Sample(2000)).ok());
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "tensorboard")) {
    files.push_back(entry.path());
  }
  ASSERT_EQ(files.size(), 1u);
  EXPECT_THAT(files[0].filename().string(), testing::StartsWith("events.out.tfevents."));
  std::ifstream stream(files[0], std::ios::binary);
  std::vector<tensorboard::Event> events;
  uint64_t length = 0;
  while (stream.read(reinterpret_cast<char*>(&length), sizeof(length))) {
    std::string data(length, '\0');
    stream.ignore(sizeof(uint32_t));
    stream.read(data.data(), static_cast<std::streamsize>(length));
    stream.ignore(sizeof(uint32_t));
    ASSERT_TRUE(events.emplace_back().ParseFromString(data));
  }
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].file_version(), "brain.Event:2");
  EXPECT_EQ(events[2].step(), 2000);
  EXPECT_DOUBLE_EQ(events[2].wall_time(), 1700000000.5);
  std::map<std::string, float> scalars;
  for (const auto& value : events[2].summary().value()) scalars[value.tag()] = value.simple_value();
  EXPECT_EQ(scalars.at("run/episode_return_mean"), 87.25f);
  EXPECT_EQ(scalars.at("loss/policy"), -0.5f);
  EXPECT_FALSE(scalars.contains("run/env_steps"));
}

TEST_F(TensorBoardTest, WithoutPlaceItIsAnError) {
  std::ofstream(folder_ / "file") << "x";
  EXPECT_EQ(TensorBoardWriter::Create(folder_ / "file").status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace millrace
