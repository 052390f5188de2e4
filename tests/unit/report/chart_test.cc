#include "report/plot/chart.h"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>

#include "ledger_folder.h"
#include "report/plot/run_charts.h"
#include "text.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ChartTest = LedgerFolder;

Chart Sample() {
  return {.title = "Return",
          .x_label = "environment steps",
          .y_label = "return",
          .series = {{"a", {0, 1e6, 2e6}, {10, std::nan(""), 30}}, {"b", {0, 2e6}, {5, 7}}},
          .goal = 475};
}

TEST(Ticks, AreRoundNumbersWithin) {
  EXPECT_THAT(Ticks(0, 500, 5), ElementsAre(0, 100, 200, 300, 400, 500));
  EXPECT_THAT(Ticks(-0.3, 0.25, 4), ElementsAre(-0.2, 0, 0.2));
  EXPECT_THAT(Ticks(12, 12, 5), ElementsAre(12));
  EXPECT_LE(Ticks(3, 1234567, 8).size(), 9u);
}

TEST(Ticks, LabelsAreShort) {
  EXPECT_EQ(TickLabel(0), "0");
  EXPECT_EQ(TickLabel(0.25), "0.25");
  EXPECT_EQ(TickLabel(9000), "9000");
  EXPECT_EQ(TickLabel(150000), "150k");
  EXPECT_EQ(TickLabel(-1500000), "-1.5M");
}

TEST_F(ChartTest, IsDrawnAsSvgAndPng) {
  const std::string svg = RenderSvg(Sample());
  EXPECT_THAT(svg, HasSubstr("<svg"));
  EXPECT_THAT(svg, HasSubstr("</svg>"));
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  const auto file = folder_ / "chart.png";
  ASSERT_TRUE(WritePng(Sample(), file).ok());
  EXPECT_THAT(ReadText(file), StartsWith("\x89PNG"));
  EXPECT_EQ(WritePng(Sample(), folder_ / "missing" / "chart.png").code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(RenderSvg(Chart{}), HasSubstr("</svg>"));  // nothing to draw
}

TEST_F(ChartTest, ARunHasItsCurvesAndAReportOfItsOwn) {
  const RunPaths paths(folder_);
  EXPECT_TRUE(absl::IsNotFound(RunCharts(paths).status()));
  std::ofstream(paths.metrics())
      << R"({"env_steps":0,"episodes":0,"episode_return_mean":null,"steps_per_second":0,"loss/policy":0.5})"
         "\n"
      << R"({"env_steps":64,"episode_return_mean":20,"steps_per_second":900,"loss/policy":0.25,)"
      << R"("episodes":6,"environment/speed":2})"
         "\n"
      << R"({"env_steps":1)";  // under way
  std::ofstream(paths.config()) << "environment: {type: cartpole}\nalgorithm: {type: ppo}\n"
                                   "stop: {env_steps: 100, episode_return: 475}\n# a <comment>\n"
                                   "report: {stage_episodes: 5, stages: [{name: quick, above: "
                                   "{speed: 1}}]}\n";
  std::ofstream(paths.summary())
      << R"({"status":"stopped","bottleneck":"actor: 80 %","profile":{"actor":{"processes":2,)"
      << R"("threads":{"main":{"seconds":4,"parts":{"environment":{"seconds":3}}}}}},)"
      << R"("streams":{"sample/default":{"produced":3,"trained":3,"dropped":{},"in_flight":0}}})";
  const auto charts = RunCharts(paths);
  ASSERT_TRUE(charts.ok()) << charts.status();
  std::vector<std::string> names;
  for (const auto& [name, chart] : *charts) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("episode_return_mean", "steps_per_second", "environment_speed",
                                 "loss_policy"));
  ASSERT_EQ(charts->at(2).second.marks.size(), 1U);
  EXPECT_EQ(charts->at(2).second.marks[0].x, 64);
  const Chart& returns = charts->front().second;
  EXPECT_EQ(returns.goal, 475);
  EXPECT_THAT(returns.series.at(0).x, ElementsAre(64));  // null leaves no point
  ASSERT_TRUE(WriteReport(paths).ok());
  const std::string html = ReadText(paths.report());
  for (const char* part :
       {"actor: 80 %", "environment <small>75.0 %", "sample/default", "a &lt;comment&gt;",
        "<td>quick</td><td>64</td><td>6</td>", "<svg", "</html>"}) {
    EXPECT_THAT(html, HasSubstr(part));
  }
  EXPECT_EQ(html.find("http://") == std::string::npos || html.find("src=") == std::string::npos,
            true);
}

}  // namespace
}  // namespace millrace
