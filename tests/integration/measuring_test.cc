// The commands that measure this machine: `millrace tune` and `millrace bench`.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "integration/millrace_process.h"

namespace millrace {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr char kCartPole[] = MILLRACE_SOURCE_DIR "/configs/cartpole_ppo.yaml";

TEST(Tune, WritesAnExperimentThatRunsAndLearnsTheSame) {
  const TemporaryDirectory folder;
  const std::string tuned = folder.path() / "tuned.yaml";
  const CommandOutput output = RunMillrace(
      {"tune", kCartPole, "--output", tuned, "--seconds", "4", "--trial-seconds", "0.3"});
  EXPECT_EQ(output.exit_code, 0) << output.out << output.err;
  EXPECT_THAT(output.out, HasSubstr("as the file says"));
  const CommandOutput plan = RunMillrace({"run", tuned, "--dry-run"});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_THAT(plan.out, HasSubstr("batch_env_steps: 2048"));
  EXPECT_THAT(plan.out, HasSubstr("max_policy_lag: 0"));
}

TEST(Tune, RefusesADeterministicRun) {
  const TemporaryDirectory folder;
  const CommandOutput output = RunMillrace(
      {"tune", kCartPole, "--set", "deterministic=true", "--output", folder.path() / "tuned.yaml"});
  EXPECT_EQ(output.exit_code, 2);
  EXPECT_THAT(output.err, HasSubstr("deterministic: expected false, got true"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "tuned.yaml"));
}

// What a benchmark measured; each figure must have one beside it.
std::set<std::string> BenchNames(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "bench");
  arguments.insert(arguments.end(), {"--json", "-"});
  const CommandOutput output = RunMillrace(arguments);
  EXPECT_EQ(output.exit_code, 0) << output.err;
  if (output.exit_code != 0) return {};
  std::set<std::string> names;
  for (const json& row : json::parse(output.out)) {
    names.insert(row["name"].get<std::string>());
    EXPECT_GT(row["value"].get<double>(), 0) << row.dump();
    EXPECT_GT(row["baseline_value"].get<double>(), 0) << row.dump();
  }
  return names;
}

TEST(Bench, MeasuresModelsBesideLibTorch) {
  EXPECT_EQ(BenchNames({"inference", "--model", "mlp64x64", "--batch", "8"}),
            (std::set<std::string>{"inference/native/mlp64x64/8",
                                   "inference/native/mlp64x64/8/roof_share"}));
  EXPECT_EQ(BenchNames({"training", "--model", "lstm256", "--minibatch", "16"}),
            (std::set<std::string>{"training/native/lstm256/16",
                                   "training/native/lstm256/16/roof_share"}));
}

TEST(Bench, MeasuresSparseProductsBesideDenseOnes) {
  const std::set<std::string> names = BenchNames(
      {"nm_sparse", "--width", "64", "--pattern", "2:8", "--batch", "128", "--rounds", "2"});
  for (const char* name :
       {"nm_sparse/forward/2:8/v1/fp32/rows/D64", "nm_sparse/forward/2:8/v4/bf16/chain/D64",
        "nm_sparse/input_gradient/2:8/v2/bf16/rows/D64", "nm_sparse/step/2:8/v1/bf16/chain/D64",
        "nm_sparse/step/dense/bf16/D64", "nm_sparse/pack/2:8/v1/bf16/D64"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

TEST(Bench, MeasuresEmbeddingTablesBesideLibTorch) {
  EXPECT_EQ(BenchNames({"embedding", "--dim", "20", "--tables", "2", "--rows", "500", "--batch",
                        "16", "--bag", "3", "--rounds", "2"}),
            (std::set<std::string>{"embedding/forward/D20/uniform", "embedding/forward/D20/zipf",
                                   "embedding/step/D20/uniform", "embedding/step/D20/zipf"}));
  const CommandOutput output = RunMillrace({"bench", "embedding", "--dim", "5000"});
  EXPECT_EQ(output.exit_code, 2);
  EXPECT_THAT(output.err, HasSubstr("--dim: expected 1 to 4096, got 5000"));
}

TEST(Bench, RefusesAPatternThatIsNotThere) {
  const CommandOutput output = RunMillrace({"bench", "nm_sparse", "--pattern", "2:7"});
  EXPECT_EQ(output.exit_code, 2);
  EXPECT_THAT(output.err, HasSubstr("no such sparsity pattern: \"2:7\"; did you mean \"2:4\"?"));
}

TEST(Bench, RefusesAModelAndADeviceThatAreNotThere) {
  const CommandOutput model = RunMillrace({"bench", "training", "--model", "mlp64x46"});
  EXPECT_EQ(model.exit_code, 2);
  EXPECT_THAT(model.err, HasSubstr("did you mean \"mlp64x64\"?"));
  const CommandOutput device = RunMillrace({"bench", "inference", "--device", "cuda:99"});
  EXPECT_EQ(device.exit_code, 4);
  EXPECT_THAT(device.err, HasSubstr("cuda:99"));
}

TEST(Bench, MeasuresEveryTransportBetweenProcesses) {
  const std::set<std::string> names =
      BenchNames({"streams", "--rounds", "1", "--round-trips", "100", "--weight-bytes", "100000",
                  "--readers", "3"});
  for (const char* name : {"streams/inference/inproc/round_trip_us/64/spin",
                           "streams/inference/shm/round_trip_us/1024/futex",
                           "streams/inference/zmq/round_trip_us/64/futex",
                           "streams/sample/shm/gigabytes_per_second/65536/nocrc",
                           "streams/sample/shm/gigabytes_per_second/1048576/crc",
                           "streams/sample/zmq/gigabytes_per_second/1048576/crc",
                           "streams/weight/shm/gigabytes_per_second/100000/crc",
                           "streams/weight/grpc/gigabytes_per_second/100000/crc"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

}  // namespace
}  // namespace millrace
