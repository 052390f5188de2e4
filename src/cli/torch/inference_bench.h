// Acting, timed: our native forward beside the same model in LibTorch, sampling included.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/common/bench_row.h"

namespace millrace {

struct InferenceBenchOptions {
  std::vector<std::string> models;  // as FindBenchModels(); none: all of them
  std::vector<int> batches = {1, 8, 64, 256, 1024};
  std::string device = "cpu";  // of LibTorch's arm: as FindDevice()
  int rounds = 5;              // of each, interleaved; the median counts
  double seconds = 0.05;       // of one round
};

// samples/s, copies to and from a device included, each beside the share of its roof:
// inference/native/MODEL/BATCH against LibTorch eager, and on a GPU
// inference/libtorch/MODEL/BATCH/DEVICE against our own kernels on one core.
absl::StatusOr<std::vector<BenchRow>> RunInferenceBench(const InferenceBenchOptions& options);

}  // namespace millrace
