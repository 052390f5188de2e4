// `millrace env step` as another program speaks with it: through pipes.
#include <gtest/gtest.h>

#include <sstream>

#include "integration/millrace_process.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

struct Conversation {
  std::vector<Json> answers;  // discarded where a line is no JSON
  std::string log;
};

Conversation Talk(const std::string& environment, const std::string& lines) {
  const CommandOutput output =
      RunMillrace({"env", "step", environment}, std::chrono::seconds(60), lines);
  EXPECT_EQ(output.exit_code, 0) << output.err;
  Conversation said{.answers = {}, .log = output.err};
  std::istringstream out(output.out);
  for (std::string line; std::getline(out, line);) {
    said.answers.push_back(Json::parse(line, nullptr, /*allow_exceptions=*/false));
    EXPECT_TRUE(said.answers.back().is_object()) << line;
  }
  return said;
}

// MuJoCo warns of its model.
TEST(EnvStep, AnswersAloneAreWrittenToStandardOutput) {
  const Conversation said = Talk("half_cheetah", "{\"reset\": {\"seed\": 1}}\n");
  ASSERT_EQ(said.answers.size(), 1u);
  EXPECT_NE(said.log.find("MuJoCo: "), std::string::npos);
}

TEST(EnvStep, AnEpisodeThatBreaksDownIsCutOff) {
  Json broken = Talk("hide_and_seek_quadrant", "{\"reset\": {\"seed\": 1}}\n").answers[0]["state"];
  broken[0] = 1e11;
  const Json stay = {5, 5, 5, 0, 0};
  const Json lines[] = {{{"reset", {{"seed", 1}}}},
                        {{"reset", {{"seed", 1}, {"state", broken}}}},
                        {{"action", {stay, stay, stay, stay}}},
                        {{"reset", {{"seed", 1}}}}};
  std::string text;
  for (const Json& line : lines) text += line.dump() + "\n";
  const Conversation said = Talk("hide_and_seek_quadrant", text);
  ASSERT_EQ(said.answers.size(), 4u);
  EXPECT_EQ(said.answers[2]["truncated"], Json({true, true, true, true}));
  EXPECT_EQ(said.answers[2]["reward"], Json({0.0, 0.0, 0.0, 0.0}));
  EXPECT_EQ(said.answers[3], said.answers[0]) << "and leaves no trace";
  EXPECT_NE(said.log.find("MuJoCo: "), std::string::npos);
}

}  // namespace
}  // namespace millrace
