#include "env/env_cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "env/builtin_environments.h"

namespace millrace {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

// The answers to the lines.
std::vector<Json> Talk(Environment& environment, const std::vector<std::string>& lines) {
  std::stringstream in, out;
  for (const std::string& line : lines) in << line << "\n";
  RunEnvStep(environment, in, out);
  std::vector<Json> answers;
  for (std::string line; std::getline(out, line);) answers.push_back(Json::parse(line));
  return answers;
}

std::string ErrorOf(const Json& answer) { return answer.value("error", "no error"); }

TEST(EnvStep, ResetsAndStepsAsInGymnasium) {
  auto environment = MakeCartPole({}).value();
  const auto answers = Talk(*environment, {R"({"reset": {"state": [0.1, -0.2, 0.03, 0.4]}})",
                                           R"({"action": 1})", R"({"action": 0})"});
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0]["state"], Json({0.1, -0.2, 0.03, 0.4}));
  EXPECT_EQ(answers[0]["observation"][0].get<double>(), double{0.1f});
  // Gymnasium 1.4.0, env.unwrapped.state = [0.1, -0.2, 0.03, 0.4]; env.step(1).
  EXPECT_NEAR(answers[1]["state"][0].get<double>(), 0.096, 1e-12);
  EXPECT_NEAR(answers[1]["state"][1].get<double>(), -0.005316169155413664, 1e-12);
  EXPECT_NEAR(answers[1]["state"][2].get<double>(), 0.038, 1e-12);
  EXPECT_NEAR(answers[1]["state"][3].get<double>(), 0.11692433252290102, 1e-12);
  EXPECT_EQ(answers[1]["reward"], 1.0);
  EXPECT_EQ(answers[1]["terminated"], false);
  EXPECT_EQ(answers[1]["truncated"], false);
  EXPECT_EQ(answers[2]["extra"]["step"], 2);
}

TEST(EnvStep, OneSeedGivesOneEpisode) {
  auto environment = MakePendulum({}).value();
  const auto answers =
      Talk(*environment, {R"({"reset": {"seed": 7}})", R"({"action": [0.5]})",
                          R"({"reset": {"seed": 7}})", R"({"action": 0.5})", R"({"reset": {}})"});
  EXPECT_EQ(answers[0], answers[2]);
  EXPECT_EQ(answers[1], answers[3]);
  EXPECT_NE(answers[4], answers[0]) << "without a seed, the next one";
}

TEST(EnvStep, BadLinesGetAnErrorAndTheProcessGoesOn) {
  auto environment = MakeCartPole({}).value();
  const auto answers =
      Talk(*environment, {R"({"action": 1})", "not json", R"([1])", R"({"rest": {}})",
                          R"({"reset": {"sed": 1}})", R"({"reset": {"seed": -1}})",
                          R"({"reset": {"state": [1]}})", R"({"reset": {"seed": 1}})",
                          R"({"action": 2})", R"({"action": 1.0})", R"({"action": 1})"});
  ASSERT_EQ(answers.size(), 11u);
  EXPECT_THAT(ErrorOf(answers[0]), HasSubstr("send a reset first"));
  EXPECT_THAT(ErrorOf(answers[1]), HasSubstr("expected one JSON object"));
  EXPECT_THAT(ErrorOf(answers[2]), HasSubstr("expected one JSON object"));
  EXPECT_THAT(ErrorOf(answers[3]), HasSubstr("got \"rest\""));
  EXPECT_THAT(ErrorOf(answers[4]), HasSubstr("got \"sed\""));
  EXPECT_THAT(ErrorOf(answers[5]), HasSubstr("seed: expected a whole number"));
  EXPECT_THAT(ErrorOf(answers[6]), HasSubstr("state: expected 4 numbers, got 1"));
  EXPECT_EQ(answers[7].contains("error"), false);
  EXPECT_EQ(ErrorOf(answers[8]), "action: expected an integer from 0 to 1, got 2");
  EXPECT_EQ(ErrorOf(answers[9]), "action: expected an integer from 0 to 1, got 1.0");
  EXPECT_EQ(answers[10]["reward"], 1.0) << "bad actions do not step";
}

TEST(EnvStep, AResetThatCannotBeReadLeavesTheEpisode) {
  auto environment = MakeCartPole({}).value();
  const auto answers =
      Talk(*environment, {R"({"reset": {"seed": 1}})", R"({"reset": {"seed": -1}})",
                          R"({"action": 1})", R"({"reset": {"state": ["x"]}})", R"({"action": 1})",
                          R"({"reset": {"state": [0, 0, 0, 0], "seed": "x"}})", R"({"action": 1})",
                          R"({"reset": {"state": [0, 0, 0, 0], "seed": 7}})", R"({"reset": {}})",
                          R"({"reset": {"seed": 8}})"});
  for (const size_t bad : {1u, 3u, 5u}) {
    EXPECT_THAT(ErrorOf(answers[bad]), HasSubstr("expected"));
    EXPECT_EQ(answers[bad + 1]["reward"], 1.0);
  }
  EXPECT_EQ(answers[6]["extra"]["step"], 3);
  EXPECT_EQ(answers[7]["state"], Json({0.0, 0.0, 0.0, 0.0}));
  EXPECT_EQ(answers[8], answers[9]) << "the seed counts beside a state too";
}

TEST(EnvStep, AStepAfterTheEndNeedsAReset) {
  auto environment = MakeCartPole({}).value();
  const auto answers = Talk(*environment, {R"({"reset": {"state": [2.39, 5, 0, 0]}})",
                                           R"({"action": 1})", R"({"action": 1})"});
  EXPECT_EQ(answers[1]["terminated"], true);
  EXPECT_THAT(ErrorOf(answers[2]), HasSubstr("send a reset first"));
}

TEST(EnvStep, SeveralAgentsAreLists) {
  auto environment = MakeTwoAgentCartPole({}).value();
  const auto answers = Talk(
      *environment, {R"({"reset": {"state": [0, 0, 0.2, 2, 0, 0, 0, 0]}})", R"({"action": [1, 0]})",
                     R"({"action": [null, 0]})", R"({"action": [0]})"});
  EXPECT_EQ(answers[0]["present"], Json({true, true}));
  EXPECT_EQ(answers[1]["terminated"], Json({true, false}));
  EXPECT_EQ(answers[1]["present"], Json({false, true}));
  EXPECT_EQ(answers[1]["observation"][0].size(), 4u) << "the last one of the agent that ended";
  EXPECT_EQ(answers[2]["reward"], Json({0.0, 1.0}));
  EXPECT_TRUE(answers[2]["observation"][0].is_null());
  EXPECT_THAT(ErrorOf(answers[3]), HasSubstr("expected a list of 2 (one an agent)"));
}

TEST(EnvStep, DictionariesAreObjectsAndTuplesLists) {
  auto environment = MakeAssortment({}).value();
  const auto reset = Talk(*environment, {R"({"reset": {"seed": 3}})"})[0];
  const Json& seen = reset["observation"][0];
  EXPECT_EQ(seen["picture"].size(), 4u);
  EXPECT_EQ(seen["picture"][0].size(), 4u);
  EXPECT_EQ(seen["clock"], 0);
  EXPECT_EQ(seen["action_mask"].size(), 7u);

  const Json again = {{"reset", {{"state", reset["state"]}, {"extra", reset["extra"]}}}};
  int door = 0, key = 0;
  while (seen["action_mask"][static_cast<size_t>(door)] == 0) ++door;
  while (seen["action_mask"][static_cast<size_t>(4 + key)] == 0) ++key;
  const Json one = {door, key, {0.5, -0.5}};
  const Json action = {{"action", {one, nullptr, nullptr}}};
  Json only_first = again;
  only_first["reset"]["extra"]["present_1"] = 0;
  const auto answers = Talk(*environment, {again.dump(), only_first.dump(), action.dump()});
  EXPECT_EQ(answers[0], reset);
  EXPECT_GT(answers[2]["reward"][0].get<double>(), 0.0);
}

TEST(EnvStep, SpecShowsTheSpaces) {
  auto environment = MakePendulum({}).value();
  const Json spec = Talk(*environment, {R"({"spec": true})"})[0];
  EXPECT_EQ(spec, Json::parse(R"({"agents": [{"name": "agent_0",
      "observation": {"observation": {"dtype": "float32", "shape": [3]}},
      "action": [{"name": "action", "kind": "continuous", "low": [-2.0], "high": [2.0]}]}]})"));
}

TEST(EnvBench, CountsStepsOfAllGroups) {
  std::vector<std::unique_ptr<VectorEnvironment>> groups;
  groups.push_back(MakeCartPoleBatch({}, 8).value());
  groups.push_back(MakeEnvironmentBatch(MakeAssortment, {}, 4).value());
  const auto result = BenchEnvironment(groups, std::chrono::milliseconds(5));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->env_steps, 0);
  EXPECT_EQ(result->env_steps % 12, 0);
  EXPECT_GT(result->agent_steps, result->env_steps) << "assortment has up to three agents";
  EXPECT_GT(result->steps_per_second(), 0);
}

TEST(EnvBench, HoldsComponentsOfActions) {
  std::vector<std::unique_ptr<VectorEnvironment>> groups;
  groups.push_back(MakeCartPoleBatch({}, 2).value());
  const std::string name = groups[0]->spec().agents[0].action.components[0].name;
  EXPECT_TRUE(BenchEnvironment(groups, std::chrono::milliseconds(1), {.held = {{name, 1}}}).ok());
  for (const auto& [component, choice] : {std::pair(name, 2), {name, -1}, {name + "s", 1}}) {
    const auto result =
        BenchEnvironment(groups, std::chrono::milliseconds(1), {.held = {{component, choice}}});
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(result.status().message().find("--hold " + component), absl::string_view::npos);
  }
}

TEST(SampleRandomAction, NormalRealsAreCutToTheBox) {
  const ActionSpec action = ActionSpec::Continuous({-0.5F, -9}, {0.5F, 9});
  Rng rng(1, 2);
  constexpr int kDraws = 4000;
  int cut = 0;
  double sum = 0, squares = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    float reals[2];
    SampleRandomAction(action, {}, rng, {}, reals, RandomReals::kNormal);
    ASSERT_LE(std::abs(reals[0]), 0.5F);
    cut += std::abs(reals[0]) == 0.5F;
    sum += reals[1];
    squares += reals[1] * reals[1];
  }
  // Outside half a deviation lie 61.7 % of a normal distribution. Four standard errors.
  EXPECT_NEAR(cut / double{kDraws}, 0.617, 4 * std::sqrt(0.25 / kDraws));
  EXPECT_NEAR(sum / kDraws, 0, 4 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 1, 4 * std::sqrt(2.0 / kDraws));
}

}  // namespace
}  // namespace millrace
