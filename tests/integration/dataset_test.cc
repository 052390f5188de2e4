// Runs that learn from a dataset.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <fstream>

#include "absl/strings/numbers.h"
#include "integration/whole_run.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr char kClicks[] = MILLRACE_SOURCE_DIR "/configs/teacher_clicks.yaml";
constexpr char kSmall[] = "dataset={type: random_clicks, features: 4, rows: 2000, bag: 3}";

std::vector<std::string> Small(int samples, std::vector<std::string> more = {}) {
  more.insert(more.end(), {kSmall, "workers.trainer.batch_samples=2048",
                           "stop={samples: " + std::to_string(samples) + "}"});
  return more;
}

json Evaluate(const fs::path& run) {
  const CommandOutput output = RunMillrace({"eval", run.string(), "--samples", "4000"});
  EXPECT_EQ(output.exit_code, 0) << output.err;
  return json::parse(output.out, nullptr, false);
}

// What is learnt depends neither on how many read nor on what joins them.
TEST(DatasetRun, IsTheSameWhoeverReads) {
  const TemporaryDirectory runs;
  const json one = RunToEnd(runs.path(), "one", Small(61440), 0, kClicks);
  ExpectExactAccounting(one);
  EXPECT_EQ(one["status"], "reached_limit");
  EXPECT_EQ(one["streams"]["sample/default"]["env_steps"]["trained"], 61440);
  EXPECT_EQ(one["train_steps"], 30);
  EXPECT_NEAR(one["loss/auc"].get<double>(), 0.5, 0.1);
  ExpectNothingLeft(runs.path() / "one");
  const json three =
      RunToEnd(runs.path(), "three",
               Small(61440, {"workers.reader={count: 3, segment_samples: 256, batches_ahead: 1}",
                             "streams.sample.transport=zmq"}),
               0, kClicks);
  ExpectExactAccounting(three);
  const json again =
      RunToEnd(runs.path(), "again", Small(61440, {"deterministic=true"}), 0, kClicks);
  ExpectExactAccounting(again);
  const json evaluated = Evaluate(runs.path() / "one");
  EXPECT_EQ(evaluated, Evaluate(runs.path() / "again"));
  EXPECT_EQ(evaluated["samples"], 4000);
  // Coins cannot be told: nothing has leaked.
  EXPECT_NEAR(evaluated["auc"].get<double>(), 0.5, 0.03);
  EXPECT_EQ(evaluated, Evaluate(runs.path() / "three"));
}

// Dense gradients of several trainers are added in another order than one's; nothing else differs,
// so that without dense steps all bits are the same.
class DatasetRunOf : public testing::TestWithParam<std::string> {};

TEST_P(DatasetRunOf, TrainersThatShareTablesLearnWhatOneLearns) {
  const TemporaryDirectory runs;
  const auto train = [&](int trainers, const std::string& rate) {
    const std::string name = std::to_string(trainers) + "-" + rate;
    const json run = RunToEnd(
        runs.path(), name,
        Small(20480, {"workers.trainer.count=" + std::to_string(trainers),
                      "workers.reader={count: 2, segment_samples: 256}",
                      "backend.sharding=" + GetParam(), "algorithm.learning_rate=" + rate}),
        0, kClicks);
    ExpectExactAccounting(run);
    EXPECT_EQ(run["train_steps"], 10);
    ExpectNothingLeft(runs.path() / name);
    return Evaluate(runs.path() / name);
  };
  EXPECT_EQ(train(1, "0"), train(2, "0"));
  EXPECT_NEAR(train(1, "0.001")["log_loss"].get<double>(),
              train(2, "0.001")["log_loss"].get<double>(), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Sharding, DatasetRunOf,
                         testing::Values("table_wise", "row_wise", "replicated"),
                         [](const auto& test) { return test.param; });

// Weights, tables and optimisers of a run's newest checkpoint.
std::string Trained(const fs::path& run) {
  fs::path newest;
  uint64_t steps = 0;
  for (const auto& entry : fs::directory_iterator(run / "checkpoints")) {
    uint64_t number = 0;
    if (absl::SimpleAtoi(entry.path().filename().string(), &number) && number >= steps) {
      newest = entry.path();
      steps = number;
    }
  }
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(newest)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  std::string bytes;
  for (const fs::path& file : files) {
    std::ifstream stream(file, std::ios::binary);
    bytes.append(std::istreambuf_iterator<char>(stream), {});
  }
  EXPECT_GT(bytes.size(), 500'000u) << newest;
  return bytes;
}

TEST(DatasetRun, SlicesMakeItTheSameWhoeverTrains) {
  const TemporaryDirectory runs;
  const auto train = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> settings = {"algorithm.minibatch=1536", "backend.slices=12",
                                         "workers.reader.segment_samples=128"};
    settings.insert(settings.end(), more.begin(), more.end());
    settings = Small(18432, settings);
    settings.emplace_back("workers.trainer.batch_samples=3072");
    RunToEnd(runs.path(), name, settings, 0, kClicks);
    return Trained(runs.path() / name);
  };
  const std::string alone = train("alone", {});
  EXPECT_TRUE(alone == train("threads", {"workers.trainer.threads=2"}));
  EXPECT_TRUE(alone ==
              train("two", {"workers.trainer.count=2", "backend.sharding=replicated",
                            "streams.sample.transport=zmq", "streams.weight.transport=grpc"}));
  EXPECT_TRUE(alone == train("three", {"workers.trainer.count=3", "backend.sharding=row_wise"}));
  EXPECT_TRUE(alone == train("four", {"workers.trainer.count=4"}));
}

TEST(DatasetRun, GoesOnWithAnotherNumberOfTrainersAndAnotherPlan) {
  const TemporaryDirectory runs;
  const std::vector<std::string> settings = {"workers.reader.segment_samples=128",
                                             "backend.slices=8"};
  RunToEnd(runs.path(), "straight", Small(40960, settings), 0, kClicks);
  RunToEnd(runs.path(), "moved", Small(10240, settings), 0, kClicks);
  const std::string moved = (runs.path() / "moved").string();
  for (const auto& [trainers, plan, samples] : {std::tuple{"2", "row_wise", "20480"},
                                                {"4", "table_wise", "30720"},
                                                {"1", "replicated", "40960"}}) {
    const CommandOutput resumed =
        RunMillrace({"resume", moved, "--progress", "none", "--set",
                     std::string("workers.trainer.count=") + trainers, "--set",
                     std::string("backend.sharding=") + plan, "--set",
                     std::string("stop={samples: ") + samples + "}"});
    ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
    ExpectExactAccounting(ReadJson(runs.path() / "moved" / "summary.json"));
  }
  EXPECT_TRUE(Trained(runs.path() / "straight") == Trained(runs.path() / "moved"));
}

class DatasetRunWith : public testing::TestWithParam<int> {};

TEST_P(DatasetRunWith, ReadsWhatWasToBeReadAfterWorkersDieAndAResume) {
  const TemporaryDirectory runs;
  const std::string trainers = "workers.trainer.count=" + std::to_string(GetParam());
  const fs::path directory = runs.path() / "broken";
  {
    LiveRun run("run",
                Arguments(runs.path(), "broken",
                          Small(1 << 30, {"workers.reader.count=2", "checkpoint.every_seconds=0.5",
                                          trainers}),
                          kClicks),
                directory);
    ASSERT_TRUE(run.Until([&] { return run.Metrics().value("train_steps", 0) > 5; }));
    ASSERT_EQ(run.Pids("reader").size(), 2u);
    ::kill(run.Pids("reader").front(), SIGKILL);
    int before = run.Metrics().value("train_steps", 0);
    ASSERT_TRUE(run.Until([&] { return run.Metrics().value("train_steps", 0) > before + 5; }));
    // What was trained since the newest checkpoint is read again.
    ::kill(run.Pids("trainer").front(), SIGKILL);
    before = run.Metrics().value("train_steps", 0);
    ASSERT_TRUE(run.Until([&] { return run.Metrics().value("train_steps", 0) > before + 5; }));
    run.Signal(SIGINT);
    ASSERT_EQ(run.Wait(seconds(20)), 5);
    const json summary = ReadJson(directory / "summary.json");
    EXPECT_EQ(summary["restarts_by_role"].value("reader", 0), 1);
    ExpectExactAccounting(summary);
  }
  const uint64_t steps = ReadJson(directory / "summary.json")["train_steps"].get<uint64_t>();
  const json summary = ReadJson(directory / "summary.json");
  // Train steps count those that were lost, too.
  const uint64_t lost = summary["streams"]["sample/default"]["env_steps"]["dropped"].value(
      "rolled_back", uint64_t{0});
  const uint64_t batches = steps + 20 - lost / 2048;
  const std::string samples = std::to_string(batches * 2048);
  const CommandOutput shifted = RunMillrace({"resume", directory.string(), "--progress", "none",
                                             "--set", "workers.trainer.batch_samples=4096"});
  EXPECT_EQ(shifted.exit_code, 2);
  EXPECT_THAT(shifted.err, HasSubstr("workers.trainer.batch_samples: expected 2048"));
  const CommandOutput resumed = RunMillrace({"resume", directory.string(), "--progress", "none",
                                             "--set", "stop={samples: " + samples + "}"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  ExpectExactAccounting(ReadJson(directory / "summary.json"));
  RunToEnd(runs.path(), "straight", Small(static_cast<int>(batches * 2048), {trainers}), 0,
           kClicks);
  json evaluated = Evaluate(directory), straight = Evaluate(runs.path() / "straight");
  EXPECT_EQ(evaluated["auc"], straight["auc"]);
  EXPECT_EQ(evaluated["log_loss"], straight["log_loss"]);
}

TEST(DatasetRun, TrainersTakeBackWhatIsInNoCheckpointBeforeThereAreOthers) {
  const TemporaryDirectory runs;
  const fs::path directory = runs.path() / "killed";
  const auto settings = [](int samples) {
    return Small(samples, {"workers.reader.segment_samples=256", "algorithm.learning_rate=0",
                           "checkpoint.every_seconds=1000"});
  };
  const auto resume = [&](const std::string& trainers, uint64_t batches) {
    return std::vector<std::string>{
        "resume",     directory.string(),
        "--progress", "none",
        "--set",      "workers.trainer.count=" + trainers,
        "--set",      "stop={samples: " + std::to_string(batches * 2048) + "}"};
  };
  // The second of the trainers has less to take back than the first has trained.
  RunToEnd(runs.path(), "killed", settings(20480), 0, kClicks);
  uint64_t batches = 0;
  {
    auto arguments = resume("2", 1 << 19);
    arguments.erase(arguments.begin());
    LiveRun run("resume", arguments, directory);
    ASSERT_TRUE(run.Until([&] { return run.Metrics().value("train_steps", 0) > 30; }));
    batches = run.Metrics().value("train_steps", uint64_t{0}) + 20;
    std::vector<pid_t> workers = run.Pids("trainer");
    for (const pid_t reader : run.Pids("reader")) workers.push_back(reader);
    run.Signal(SIGKILL);
    run.Wait(seconds(20));
    for (const pid_t worker : workers) ::kill(worker, SIGKILL);
  }
  const CommandOutput fewer = RunMillrace(resume("1", batches));
  EXPECT_EQ(fewer.exit_code, 2);
  EXPECT_THAT(fewer.err, HasSubstr("workers.trainer.count: expected 2, as the run has it"));
  const CommandOutput same = RunMillrace(resume("2", batches));
  ASSERT_EQ(same.exit_code, 0) << same.err;
  const json summary = ReadJson(directory / "summary.json");
  ExpectExactAccounting(summary);
  EXPECT_EQ(summary["streams"]["sample/default"]["env_steps"]["trained"], batches * 2048);
  RunToEnd(runs.path(), "straight", settings(static_cast<int>(batches * 2048)), 0, kClicks);
  EXPECT_EQ(Evaluate(directory)["log_loss"], Evaluate(runs.path() / "straight")["log_loss"]);
}

TEST_P(DatasetRunWith, BeginsWithTheTablesOfAnother) {
  const TemporaryDirectory runs;
  const std::string trainers = "workers.trainer.count=" + std::to_string(GetParam());
  RunToEnd(runs.path(), "first", Small(61440), 0, kClicks);
  const std::string from = "policies.default.init_from=" + (runs.path() / "first").string();
  // Nothing is trained: what is evaluated is what it began with.
  RunToEnd(
      runs.path(), "second",
      Small(2048, {from, trainers, "algorithm.learning_rate=0", "backend.table_learning_rate=0"}),
      0, kClicks);
  EXPECT_EQ(Evaluate(runs.path() / "first")["log_loss"],
            Evaluate(runs.path() / "second")["log_loss"]);
}

INSTANTIATE_TEST_SUITE_P(Trainers, DatasetRunWith, testing::Values(1, 2));

class ClickLogRun : public testing::Test {
 protected:
  fs::path Log(int lines, const std::string& end = "") {
    std::ofstream file(runs_.path() / "log.tsv");
    for (int i = 0; i < lines; ++i)
      file << i % 2 << "\t" << i << "\t" << (i % 2 ? "a" : "b") << "\n";
    file << end;
    return runs_.path() / "log.tsv";
  }
  std::vector<std::string> Settings(const fs::path& log) {
    return {"dataset={type: click_log, dense: 1, features: 1, rows: 100, file: " + log.string() +
                ", held_out_file: " + log.string() + "}",
            "algorithm.minibatch=256", "workers.trainer.batch_samples=1024",
            "workers.reader.segment_samples=256", "stop={samples: 20480}"};
  }

  const TemporaryDirectory runs_;
};

TEST_F(ClickLogRun, GoesRoundTheFile) {
  RunToEnd(runs_.path(), "run", Settings(Log(1000)), 0, kClicks);
  const json evaluated = Evaluate(runs_.path() / "run");
  EXPECT_EQ(evaluated["samples"], 1000);
  EXPECT_GT(evaluated["auc"].get<double>(), 0.99);  // odd lines have id a
}

TEST_F(ClickLogRun, FailsOnALineThatIsWrong) {
  const fs::path log = Log(700, "0\t1\n");
  std::vector<std::string> arguments = {"run"};
  for (auto& word : Arguments(runs_.path(), "run", Settings(log), kClicks)) {
    arguments.push_back(std::move(word));
  }
  const CommandOutput output = RunMillrace(arguments);
  EXPECT_EQ(output.exit_code, 2);
  EXPECT_THAT(output.err, HasSubstr("log.tsv:701: expected 3 fields separated by tabs, got 2"));
}

TEST(DatasetErrors, SayWhatDoesNotGoTogether) {
  const auto error = [](const std::vector<std::string>& set, const std::string& file = kClicks) {
    std::vector<std::string> arguments = {"validate", file};
    for (const std::string& one : set) arguments.insert(arguments.end(), {"--set", one});
    const CommandOutput output = RunMillrace(arguments);
    EXPECT_EQ(output.exit_code, 2) << output.err;
    return output.err;
  };
  EXPECT_THAT(error({"algorithm={type: ppo}"}),
              HasSubstr("algorithm \"ppo\" learns from an environment, got dataset "
                        "\"teacher_clicks\""));
  EXPECT_THAT(error({"algorithm={type: binary_classification}"}, kCartPole),
              HasSubstr("learns from a dataset, got environment \"cartpole\""));
  EXPECT_THAT(error({"dataset.type=teacher_click"}), HasSubstr("did you mean \"teacher_clicks\"?"));
  EXPECT_THAT(error({"dataset={type: click_log}"}), HasSubstr("file: expected the path of a file"));
  EXPECT_THAT(error({"backend={type: dense}"}), HasSubstr("dlrm"));
  EXPECT_THAT(error({"workers.trainer.count=3"}), HasSubstr("x 3 trainers"));
  EXPECT_THAT(error({"backend.slices=3"}),
              HasSubstr("backend.slices: expected a multiple of the 1 trainers "
                        "(workers.trainer.count) that divides the minibatch of 1024"));
  EXPECT_THAT(error({"policies={default: {model: {type: mlp}}}"}), HasSubstr("model"));
}

TEST(DatasetErrors, PlayNeedsAnEnvironment) {
  const TemporaryDirectory runs;
  RunToEnd(runs.path(), "run", Small(4096), 0, kClicks);
  const CommandOutput output = RunMillrace({"play", (runs.path() / "run").string()});
  EXPECT_EQ(output.exit_code, 2);
  EXPECT_THAT(output.err, HasSubstr("expected a run with an environment"));
}

TEST(Datasets, AreListed) {
  const CommandOutput output = RunMillrace({"list", "datasets"});
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_THAT(output.out, HasSubstr("teacher_clicks"));
}

}  // namespace
}  // namespace millrace
