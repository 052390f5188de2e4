#include "report/stages.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace millrace {
namespace {

// Chase, then an answer; means of at least 100 episodes.
ReportConfig TwoStages() {
  ReportConfig config;
  config.stage_episodes = 100;
  config.stages = {{.name = "chase", .above = {}, .below = {{"hidden", 0.5}}},
                   {.name = "answer", .above = {{"hidden", 0.6}, {"blocked", 0.3}}, .below = {}}};
  return config;
}

StageDetector::Line Line(uint64_t episodes, double hidden, double blocked = 0) {
  return {.env_steps = 10 * episodes,
          .episodes = episodes,
          .elapsed_seconds = static_cast<double>(episodes) / 4,
          .environment = {{"environment/hidden", hidden}, {"environment/blocked", blocked}}};
}

TEST(StageDetector, TellsWhenAMeanCrossesItsThreshold) {
  StageDetector detector(TwoStages());
  detector.Add(Line(0, 0.7));
  detector.Add(Line(50, 0.1));
  EXPECT_TRUE(detector.reached().empty());  // 50 episodes are too few
  detector.Add(Line(100, 0.8));             // 0.45 in the mean
  ASSERT_EQ(detector.reached().size(), 1U);
  EXPECT_EQ(detector.reached()[0].name, "chase");
  EXPECT_EQ(detector.reached()[0].env_steps, 1000U);
  EXPECT_EQ(detector.reached()[0].episodes, 100U);
  EXPECT_EQ(detector.reached()[0].elapsed_seconds, 25);
}

TEST(StageDetector, WeighsLinesByTheirEpisodesAndForgetsOldOnes) {
  StageDetector detector(TwoStages());
  detector.Add(Line(0, 0.9));
  detector.Add(Line(1000, 0.9));
  detector.Add(Line(1010, 0.0));
  detector.Add(Line(1100, 0.55));  // of the last 100: 0.495
  EXPECT_EQ(detector.reached().size(), 1U);
}

TEST(StageDetector, StagesComeInTheirOrderAndNeedAllThresholds) {
  StageDetector detector(TwoStages());
  detector.Add(Line(0, 0.7, 0.9));
  detector.Add(Line(100, 0.7, 0.9));  // the answer before the question
  EXPECT_TRUE(detector.reached().empty());
  detector.Add(Line(200, 0.4, 0.9));
  detector.Add(Line(300, 0.7, 0.2));
  EXPECT_EQ(detector.reached().size(), 1U);
  detector.Add(Line(400, 0.7, 0.4));
  ASSERT_EQ(detector.reached().size(), 2U);
  EXPECT_EQ(detector.reached()[1].name, "answer");
}

TEST(StageDetector, LinesThatAddNothingOrLackTheStatisticDoNotCount) {
  StageDetector detector(TwoStages());
  detector.Add(Line(0, 0.1));
  detector.Add({.env_steps = 2000, .episodes = 200, .elapsed_seconds = 1, .environment = {}});
  EXPECT_TRUE(detector.reached().empty());
  detector.Add(Line(100, 0.1));  // before the newest: a run that goes on from a checkpoint
  EXPECT_TRUE(detector.reached().empty());
}

TEST(StageDetector, GoesOnFromAFile) {
  const auto file = std::filesystem::path(testing::TempDir()) /
                    ("millrace_stages_test." + std::to_string(::getpid()));
  std::ofstream(file) << R"({"env_steps":0,"episodes":0,"elapsed_seconds":0})"
                      << "\n"
                      << R"({"env_steps":1000,"episodes":100,"elapsed_seconds":2.5,)"
                      << R"("environment/hidden":0.4,"loss":null})"
                      << "\n"
                      << R"({"env_steps":1)";  // under way
  StageDetector detector(TwoStages());
  detector.AddFile(file);
  std::filesystem::remove(file);
  ASSERT_EQ(detector.reached().size(), 1U);
  EXPECT_EQ(detector.reached()[0].elapsed_seconds, 2.5);
  detector.Add(Line(200, 0.7, 0.5));
  EXPECT_EQ(detector.reached().size(), 2U);
  detector.AddFile("no/such/file");
}

}  // namespace
}  // namespace millrace
