// PPO's optimiser steps, timed: our own kernels beside LibTorch on one core, and a device.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/common/bench_row.h"

namespace millrace {

struct TrainingBenchOptions {
  std::vector<std::string> models;                       // as FindBenchModels(); none: all of them
  std::vector<int> minibatches = {64, 256, 1024, 4096};  // agent steps of an optimiser step
  std::string device = "cpu";                            // of LibTorch's arm: as FindDevice()
  int rounds = 5;                                        // of each, interleaved; the median counts
  double seconds = 0.2;                                  // of one round, at least
};

// samples/s of whole batches as the trainer trains them (targets, copies to a device, one epoch of
// four minibatches, normalisers), each beside the share of its roof. On the CPU
// training/native/MODEL/MINIBATCH against LibTorch; on a GPU
// training/libtorch/MODEL/MINIBATCH/DEVICE against one core, and the microseconds of an optimiser
// step against those of one kernel.
absl::StatusOr<std::vector<BenchRow>> RunTrainingBench(const TrainingBenchOptions& options);

}  // namespace millrace
