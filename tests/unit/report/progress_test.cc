#include "report/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

namespace millrace {
namespace {

RunMetrics Sample() {
  RunMetrics metrics;
  metrics.elapsed_seconds = 65;
  metrics.env_steps = 123456;
  metrics.steps_per_second = 20000;
  metrics.episode_means = EpisodeMeans{87.25, 87};
  metrics.policy_version = 60;
  metrics.policy_lag_mean = 0.5;
  metrics.policy_lag_max = 1;
  RoleProfile& actor = metrics.recent["actor"];
  actor.processes = 2;
  actor[Activity::kEnvironment] = 4;
  actor[Activity::kWaitCredit] = 6;
  metrics.policies["p"];
  return metrics;
}

// What a writer prints for these metrics into a file, which is no terminal.
std::string Printed(ProgressMode mode, const std::vector<RunMetrics>& sequence) {
  std::FILE* file = std::tmpfile();
  ProgressWriter writer(mode, file, {});
  for (const RunMetrics& metrics : sequence) writer.Show(metrics);
  writer.Finish();
  std::rewind(file);
  std::string text;
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
  std::fclose(file);
  return text;
}

TEST(Progress, IsOneLineOfNumbers) {
  EXPECT_EQ(PlainProgress(Sample(), {.env_steps = 500000, .episode_return = 475}),
            "1:05  123.5k/500.0k steps  20.0k steps/s  return 87.2 (goal 475)  version 60  lag 0.5 "
            "(max 1)  at most 18.8 s left");
  EXPECT_EQ(PlainProgress(RunMetrics{}, {}),
            "0.0 s  0 steps  0 steps/s  return -  version 0  lag 0.0 (max 0)");
}

TEST(Progress, ShowsStatisticsOfTheEnvironmentAndTheStage) {
  RunMetrics metrics = Sample();
  metrics.environment = {{"environment/hidden_fraction", 0.5625}, {"environment/other", 1}};
  metrics.stages = {{.name = "chase"}, {.name = "doors blocked"}};
  EXPECT_THAT(
      PlainProgress(metrics, {.statistics = {"hidden_fraction", "not_there"}}),
      ::testing::HasSubstr("return 87.2  hidden_fraction 0.562  stage: doors blocked  version 60"));
}

TEST(Progress, SaysHowOftenSamplesAreUsedIfMoreThanOnce) {
  RunMetrics metrics = Sample();
  metrics.sample_reuse = 1;
  EXPECT_EQ(PlainProgress(metrics, {}), PlainProgress(Sample(), {}));
  metrics.sample_reuse = 3.94;
  EXPECT_THAT(PlainProgress(metrics, {.env_steps = 500000}),
              ::testing::HasSubstr("(max 1)  reuse 3.9  at most "));
}

TEST(Progress, ShowsRolesAndSeveralPolicies) {
  RunMetrics metrics = Sample();
  EXPECT_THAT(LiveProgress(metrics, {}),
              ::testing::ElementsAre(PlainProgress(metrics, {}),
                                     "  actor    x2    wait_credit 60%  environment 40%"));
  metrics.policies["q"].episodes = EpisodeMeans{3, 4};
  EXPECT_THAT(LiveProgress(metrics, {}),
              ::testing::Contains("  policy q: return 3.0  version 0  train steps 0"));
}

TEST(Progress, PlainLinesComeAtMostEveryTwoSeconds) {
  std::vector<RunMetrics> sequence(4, Sample());
  sequence[1].elapsed_seconds += 1;
  sequence[2].elapsed_seconds += 2;
  sequence[3].elapsed_seconds += 3;
  const std::string expected =
      PlainProgress(sequence[0], {}) + "\n" + PlainProgress(sequence[2], {}) + "\n";
  EXPECT_EQ(Printed(ProgressMode::kPlain, sequence), expected);
  EXPECT_EQ(Printed(ProgressMode::kAuto, sequence), expected);
  EXPECT_EQ(Printed(ProgressMode::kNone, sequence), "");
}

TEST(Progress, ModeIsOneOfThree) {
  EXPECT_EQ(*ParseProgressMode("plain"), ProgressMode::kPlain);
  EXPECT_EQ(ParseProgressMode("plian").status().message(),
            "--progress: expected auto, plain or none, got \"plian\"; did you mean \"plain\"?");
}

TEST(Progress, NumbersAreShort) {
  EXPECT_EQ(HumanCount(999), "999");
  EXPECT_EQ(HumanCount(1500), "1.5k");
  EXPECT_EQ(HumanCount(2500000), "2.50M");
  EXPECT_EQ(HumanSeconds(7385), "2:03:05");
}

}  // namespace
}  // namespace millrace
