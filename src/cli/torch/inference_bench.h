// Acting, timed: our native forward beside the same model in LibTorch, sampling included.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/common/bench_row.h"

namespace millrace {

struct InferenceBenchOptions {
  // "mlp64x64" (4 features, 2 choices), "mlp256x256" (27, 8 reals), "lstm256" and "gru256" (27, 8
  // reals), "nature_cnn" (84 x 84 x 4 bytes, 6 choices), "hide_and_seek" and
  // "hide_and_seek_unmasked" (entity_attention, 16 entities); none: all of them
  std::vector<std::string> models;
  std::vector<int> batches = {1, 8, 64, 256, 1024};
  int rounds = 5;         // of each, interleaved; the median counts
  double seconds = 0.05;  // of one round
};

// inference/native/MODEL/BATCH, samples/s: against LibTorch eager, and as the share of what a
// core's fused multiply-adds were measured to reach.
absl::StatusOr<std::vector<BenchRow>> RunInferenceBench(const InferenceBenchOptions& options);

}  // namespace millrace
