// Acting, timed: our own forward beside the same model in LibTorch, sampling included.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "cli/torch/model_bench.h"

namespace millrace {

inline const ModelBenchOptions kInferenceBench = {.sizes = {1, 8, 64, 256, 1024}, .seconds = 0.05};

// samples/s of batches of so many rows, copies to and from a device included, each beside the share
// of its roof: inference/native/MODEL/BATCH against LibTorch eager, and on a GPU
// inference/libtorch/MODEL/BATCH/DEVICE against our own kernels on one core.
absl::StatusOr<std::vector<BenchRow>> RunInferenceBench(const ModelBenchOptions& options);

}  // namespace millrace
