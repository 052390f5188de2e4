#include "report/metrics_writer.h"

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "ledger_folder.h"

namespace millrace {
namespace {

using MetricsWriterTest = LedgerFolder;

std::vector<std::string> Lines(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(MetricsJson, HasTheDocumentedKeys) {
  RunMetrics metrics;
  metrics.time = 1.5;
  metrics.env_steps = 64;
  metrics.training = {{"loss/policy", 0.5},
                      {"loss/value", std::numeric_limits<double>::infinity()}};
  metrics.policies["p"];
  nlohmann::ordered_json json = ToJson(metrics);
  for (const char* key :
       {"time", "elapsed_seconds", "env_steps", "agent_steps", "train_steps", "episodes",
        "policy_version", "episode_return_mean", "episode_length_mean", "steps_per_second",
        "policy_lag_mean", "policy_lag_max", "sample_reuse", "loss/policy", "loss/value"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_TRUE(json["episode_return_mean"].is_null());
  EXPECT_TRUE(json["loss/value"].is_null());
  EXPECT_EQ(json["env_steps"], 64);
  EXPECT_FALSE(json.contains("policy/p/train_steps"));
  metrics.policies["q"].episodes = EpisodeMeans{3, 4};
  json = ToJson(metrics);
  EXPECT_EQ(json["policy/q/episode_return_mean"], 3);
  EXPECT_TRUE(json["policy/p/episode_return_mean"].is_null());
}

TEST_F(MetricsWriterTest, KnowsHowLongEarlierLaunchesTook) {
  const auto file = folder_ / "metrics.jsonl";
  EXPECT_EQ(ElapsedBefore(file), 0);
  RunMetrics metrics;
  for (const double elapsed : {1.0, 7.5}) {
    metrics.elapsed_seconds = elapsed;
    ASSERT_TRUE((*MetricsWriter::Open(file))->Write(metrics).ok());
  }
  std::ofstream(file, std::ios::app) << R"({"elapsed_seconds": 9)";  // half written
  EXPECT_EQ(ElapsedBefore(file), 7.5);
}

TEST_F(MetricsWriterTest, AppendsWholeLinesAcrossRestarts) {
  const auto file = folder_ / "metrics.jsonl";
  RunMetrics metrics;
  for (uint64_t i = 1; i <= 2; ++i) {
    auto writer = MetricsWriter::Open(file);
    ASSERT_TRUE(writer.ok()) << writer.status();
    metrics.env_steps = i;
    ASSERT_TRUE((*writer)->Write(metrics).ok());
    EXPECT_EQ(Lines(file).size(), i);  // visible while the writer is open
  }
  std::ofstream(file, std::ios::app) << "{\"env_steps\": 3, \"tr";  // killed while it wrote
  metrics.env_steps = 4;
  ASSERT_TRUE((*MetricsWriter::Open(file))->Write(metrics).ok());
  std::vector<uint64_t> steps;
  for (const std::string& line : Lines(file)) {
    steps.push_back(nlohmann::json::parse(line).at("env_steps").get<uint64_t>());
  }
  EXPECT_EQ(steps, (std::vector<uint64_t>{1, 2, 4}));
}

TEST_F(MetricsWriterTest, SaysWhereItCannotWrite) {
  EXPECT_FALSE(MetricsWriter::Open(folder_ / "no" / "metrics.jsonl").ok());
}

}  // namespace
}  // namespace millrace
