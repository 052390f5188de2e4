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

TEST(AgentAssignment, TellsTheTeamsOfALeague) {
  ExperimentConfig config = Config({{".*", "a"}});
  config.policies = {{.name = "a"}};
  EXPECT_TRUE(AssignAgents(TwoAgents(4), config)->policies[0].teams.empty());
  config.policies[0].league = {.every_versions = 5, .teams = {"agent_1", ".*"}};
  const auto assignment = AssignAgents(TwoAgents(4), config);
  ASSERT_TRUE(assignment.ok()) << assignment.status();
  EXPECT_EQ(assignment->policies[0].teams, (std::vector<int>{1, 0}));
  EXPECT_EQ(StatisticNames(TwoAgents(4), config), std::vector<std::string>{kLeagueWinRate});
  config.policies[0].league->teams = {"agent_1"};
  EXPECT_EQ(AssignAgents(TwoAgents(4), config)->policies[0].teams, (std::vector<int>{-1, 0}));
}

TEST(AgentAssignment, RefusesALeagueInWhichNobodyIsTrainedOrNobodyPlays) {
  ExperimentConfig config = Config({{".*", "a"}});
  config.policies = {{.name = "a"}};
  config.policies[0].league = {.every_versions = 5};
  const auto message = [&] {
    return std::string(AssignAgents(TwoAgents(4), config).status().message());
  };
  EXPECT_NE(message().find("policies.a.league.teams: expected two teams"), std::string::npos)
      << message();
  config.policies[0].league->share = 1;
  EXPECT_NE(message().find("policies.a.league.share: expected a number below 1"), std::string::npos)
      << message();
  config.policies[0].league->teams = {"agent_0", "agent1"};
  EXPECT_NE(message().find("mean \"agent_1\""), std::string::npos) << message();
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
