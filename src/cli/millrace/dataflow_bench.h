// Whole runs as a benchmark: what the separate processes reach, beside the same recipe in one
// process and pure stepping of the same environment.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/common/bench_row.h"

namespace millrace {

struct DataflowBenchOptions {
  std::string config = "configs/cartpole_ppo.yaml";
  std::vector<std::string> set;
  int runs = 3;
  uint64_t env_steps = 400000;
};

// Runs the experiment with remote and inline inference, by our kernels and by LibTorch alone, and
// in one process (cli/torch/single_process_ppo.h) where it has that arm; interleaved, each to
// `env_steps` without a goal, in temporary run directories that are removed afterwards.
absl::StatusOr<std::vector<BenchRow>> RunDataflowBench(const DataflowBenchOptions& options);

}  // namespace millrace
