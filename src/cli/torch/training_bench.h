// PPO's optimiser steps, timed: our own kernels beside LibTorch on one core, and a device.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "cli/torch/model_bench.h"

namespace millrace {

inline const ModelBenchOptions kTrainingBench = {.sizes = {64, 256, 1024, 4096}, .seconds = 0.2};

// samples/s of whole batches as the trainer trains them (targets, copies to a device, one epoch of
// four minibatches, normalisers), each beside the share of its roof. On the CPU
// training/native/MODEL/MINIBATCH against LibTorch; on a GPU
// training/libtorch/MODEL/MINIBATCH/DEVICE against one core, and the microseconds of an optimiser
// step against those of one kernel.
absl::StatusOr<std::vector<BenchRow>> RunTrainingBench(const ModelBenchOptions& options);

}  // namespace millrace
