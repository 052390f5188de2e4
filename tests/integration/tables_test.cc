// Embedding tables: plans of who has them, and agents that act on them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "integration/whole_run.h"

namespace millrace {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr char kClicks[] = MILLRACE_SOURCE_DIR "/configs/teacher_clicks.yaml";
constexpr char kRecSlate[] = MILLRACE_SOURCE_DIR "/configs/rec_slate_ppo.yaml";
constexpr char kSmall[] = "dataset={type: random_clicks, features: 4, rows: 2000, bag: 3}";

std::vector<std::string> Small(int samples, std::vector<std::string> more) {
  more.insert(more.end(), {kSmall, "workers.trainer.batch_samples=2048",
                           "stop={samples: " + std::to_string(samples) + "}"});
  return more;
}

json Evaluate(const std::filesystem::path& run, const char* count, const char* number) {
  const CommandOutput output = RunMillrace({"eval", run.string(), count, number});
  EXPECT_EQ(output.exit_code, 0) << output.err;
  return json::parse(output.out, nullptr, false);
}

// Plans are made, measured, written, and trained with.
TEST(TablePlans, AreFollowed) {
  const TemporaryDirectory runs;
  const std::string file = (runs.path() / "plan.json").string();
  const CommandOutput output =
      RunMillrace({"plan", kClicks, "--set", kSmall, "--trainers", "2", "--measure", "2",
                   "--output", file, "--json", (runs.path() / "figures.json").string()});
  ASSERT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("predicted: a step of"));
  const json figures = ReadJson(runs.path() / "figures.json");
  EXPECT_GT(figures["step_seconds"], 0);
  EXPECT_EQ(figures["ranks"].size(), 2U);
  EXPECT_GT(figures["plans"]["row_wise"]["measured_seconds"], 0);
  // One's tables go to the other's trainer, and the run is the same to the last bit.
  const auto train = [&](const std::string& name, const std::string& sharing) {
    RunToEnd(
        runs.path(), name,
        Small(20480, {"workers.trainer.count=2", "workers.reader.segment_samples=256", sharing}), 0,
        kClicks);
    return Evaluate(runs.path() / name, "--samples", "4000");
  };
  const json by_file = train("file", "backend.plan_file=" + file);
  EXPECT_EQ(by_file, train("rows", "backend.sharding=row_wise"));
  EXPECT_EQ(by_file, train("planned", "backend.sharding=planned"));
}

TEST(TablePlans, OfOtherHardwareFitIntoIt) {
  const CommandOutput output =
      RunMillrace({"plan", MILLRACE_SOURCE_DIR "/configs/dlrm_12t.yaml", "--json", "-"});
  ASSERT_EQ(output.exit_code, 0) << output.err;
  const json figures = json::parse(output.out, nullptr, false);
  ASSERT_EQ(figures["ranks"].size(), 128U);
  double bytes = 0;
  for (const json& rank : figures["ranks"]) {
    EXPECT_LE(rank["tier_bytes"][0], 36e9);
    EXPECT_LE(rank["tier_bytes"][1], 175e9);
    for (const json& tier : rank["tier_bytes"]) bytes += tier.get<double>();
  }
  EXPECT_GT(bytes, 24e12);
  EXPECT_LT(figures["step_seconds"], 0.1);
}

TEST(TablePlans, AreOfExperimentsWithTables) {
  const CommandOutput cartpole = RunMillrace({"plan", kCartPole});
  EXPECT_EQ(cartpole.exit_code, 2);
  EXPECT_THAT(cartpole.err, HasSubstr("expected an experiment with a dataset and the model dlrm"));
  const TemporaryDirectory runs;
  const std::string file = (runs.path() / "plan.json").string();
  std::ofstream(file) << R"({"ranks": 4, "tables": []})";
  std::vector<std::string> arguments = {"run"};
  for (auto& word :
       Arguments(runs.path(), "run",
                 Small(4096, {"backend.plan_file=" + file, "workers.trainer.count=2"}), kClicks)) {
    arguments.push_back(std::move(word));
  }
  const CommandOutput run = RunMillrace(arguments);
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, HasSubstr("expected a plan for 2 trainers, got one for 4"));
}

std::vector<std::string> SmallWorld(int env_steps, std::vector<std::string> more = {}) {
  more.insert(more.end(),
              {"environment.items=500", "workers.actor.environments=16",
               "workers.trainer={batch_env_steps: 1024, unroll: 16}", "algorithm.minibatch=512",
               "stop={env_steps: " + std::to_string(env_steps) + "}"});
  return more;
}

// The rows that are trained are those that act, in a run and out of its checkpoint.
TEST(RecSlateRun, LearnsAndActsOnItsRows) {
  const TemporaryDirectory runs;
  const json run = RunToEnd(runs.path(), "run", SmallWorld(20480), 0, kRecSlate);
  ExpectExactAccounting(run);
  std::ifstream metrics(runs.path() / "run" / "metrics.jsonl");
  std::string line, last;
  while (std::getline(metrics, line)) last = line;
  const json newest = json::parse(last, nullptr, false);
  EXPECT_GT(newest["backend/changed_rows"], 0.1);
  EXPECT_LT(newest["loss/approx_kl"], 0.5);  // actors and trainer agree on the policy
  ExpectNothingLeft(runs.path() / "run");
  const json evaluated = Evaluate(runs.path() / "run", "--episodes", "20");
  EXPECT_GT(evaluated["return_mean"], 100);
  // Of another seed nothing but the rows and weights of the first.
  const std::string from = "policies.default.init_from=" + (runs.path() / "run").string();
  RunToEnd(runs.path(), "second",
           SmallWorld(1024, {from, "seed=7", "algorithm.learning_rate=0",
                             "backend.table_learning_rate=0"}),
           0, kRecSlate);
  const json again = Evaluate(runs.path() / "second", "--episodes", "20");
  EXPECT_EQ(evaluated["return_mean"], again["return_mean"]);
}

}  // namespace
}  // namespace millrace
