#include <gtest/gtest.h>

#include <filesystem>

#include "config/experiment.h"

namespace millrace {
namespace {

TEST(ShippedConfigs, AllLoadAndAreNamedAfterTheirFile) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(MILLRACE_CONFIGS)) {
    if (entry.path().extension() != ".yaml") continue;
    ++count;
    const auto config = LoadExperiment(entry.path());
    ASSERT_TRUE(config.ok()) << config.status().message();
    std::string expected = entry.path().stem().string();
    for (char& c : expected) c = c == '_' ? '-' : c;
    EXPECT_EQ(config->name, expected);
  }
  EXPECT_GE(count, 7);
}

TEST(ShippedConfigs, CartpolePpoIsSynchronousWith64Environments) {
  const auto config = LoadExperiment(std::filesystem::path(MILLRACE_CONFIGS) / "cartpole_ppo.yaml");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->actor.count * config->actor.environments, 64);
  EXPECT_EQ(config->trainer.max_policy_lag, 0);
  EXPECT_EQ(config->stop.episode_return, 475.0);
  EXPECT_EQ(config->algorithm.options.GetDouble("learning_rate", 0), 2.5e-3);
}

// As SRL's scales: each trainer does the same work, whatever their number.
TEST(ShippedConfigs, HideAndSeekScales) {
  const auto file = std::filesystem::path(MILLRACE_CONFIGS) / "hide_and_seek_full.yaml";
  const auto one = LoadExperiment(file);
  ASSERT_TRUE(one.ok()) << one.status().message();
  EXPECT_EQ(one->trainer.sample_reuse, 4);
  EXPECT_EQ(one->algorithm.options.GetInt("epochs", 0), 1);
  for (const int scale : {4, 8, 16, 32}) {
    const auto config = LoadExperiment(file, {{"workers.scale", std::to_string(scale)}});
    ASSERT_TRUE(config.ok()) << config.status().message();
    EXPECT_EQ(config->actor.count, scale * one->actor.count);
    EXPECT_EQ(config->policy_worker.count, scale * one->policy_worker.count);
    EXPECT_EQ(config->trainer.count, scale * one->trainer.count);
    EXPECT_EQ(config->trainer.batch_env_steps, scale * one->trainer.batch_env_steps);
    EXPECT_EQ(config->algorithm.options.GetInt("minibatch", 0),
              scale * one->algorithm.options.GetInt("minibatch", 0));
  }
  // The settings that the file's comment gives.
  const auto srl =
      LoadExperiment(file, {{"workers.scale", "8"},
                            {"workers.actor", "{count: 120, environments: 20, groups: 4}"},
                            {"workers.policy.count", "9"},
                            {"workers.trainer.batch_env_steps", "20000"},
                            {"algorithm.minibatch", "80000"}});
  ASSERT_TRUE(srl.ok()) << srl.status().message();
  EXPECT_EQ(srl->actor.count, 960);
  EXPECT_EQ(srl->policy_worker.count, 8 * 8 + 8);
  EXPECT_EQ(srl->trainer.count, 8);
}

}  // namespace
}  // namespace millrace
