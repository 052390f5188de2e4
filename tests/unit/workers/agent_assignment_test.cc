#include "workers/common/agent_assignment.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

EnvironmentSpec TwoAgents(int second_observation_size) {
  EnvironmentSpec spec;
  for (int i = 0; i < 2; ++i) {
    AgentSpec agent;
    agent.name = "agent_" + std::to_string(i);
    agent.observation.fields = {
        {"observation", DType::kFloat32, {i == 0 ? 4 : second_observation_size}, Extent::kRows}};
    agent.action = ActionSpec::Discrete(2);
    spec.agents.push_back(agent);
  }
  return spec;
}

ExperimentConfig Config(std::vector<AgentMatch> agents) {
  ExperimentConfig config;
  config.policies = {{.name = "a"}, {.name = "b"}};
  config.agents = std::move(agents);
  return config;
}

TEST(AgentAssignment, TheFirstMatchingEntryWins) {
  const auto assignment = AssignAgents(TwoAgents(4), Config({{"agent_1", "b"}, {".*", "a"}}));
  ASSERT_TRUE(assignment.ok()) << assignment.status();
  EXPECT_EQ(assignment->agent_policies, (AgentPolicies{0, 1}));
  EXPECT_EQ(assignment->policies[0].agents, 1);
}

TEST(AgentAssignment, NamesAnAgentThatNobodyDrives) {
  const auto assignment = AssignAgents(TwoAgents(4), Config({{"agent_0", "a"}}));
  ASSERT_FALSE(assignment.ok());
  EXPECT_NE(assignment.status().message().find("agent_1"), absl::string_view::npos);
}

TEST(AgentAssignment, RefusesOnePolicyForDifferentSpaces) {
  EXPECT_FALSE(AssignAgents(TwoAgents(6), Config({{".*", "a"}})).ok());
}

TEST(AgentAssignment, RefusesAPolicyWithoutAgents) {
  EXPECT_FALSE(AssignAgents(TwoAgents(4), Config({{".*", "a"}})).ok());
}

TEST(AgentAssignment, NamesAStatisticThatTheEnvironmentDoesNotHave) {
  EnvironmentSpec spec = TwoAgents(4);
  spec.statistics = {"hidden_fraction"};
  ExperimentConfig config = Config({{"agent_1", "b"}, {".*", "a"}});
  config.report.statistics = {"hidden_fraction"};
  EXPECT_TRUE(AssignAgents(spec, config).ok());
  config.report.stages = {{.name = "chase", .above = {}, .below = {{"hiden_fraction", 0.5}}}};
  const std::string message(AssignAgents(spec, config).status().message());
  EXPECT_NE(message.find("report.stages[0]"), std::string::npos) << message;
  EXPECT_NE(message.find("mean \"hidden_fraction\""), std::string::npos) << message;
}

}  // namespace
}  // namespace millrace
