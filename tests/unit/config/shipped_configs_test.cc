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

}  // namespace
}  // namespace millrace
