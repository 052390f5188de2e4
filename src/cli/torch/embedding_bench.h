// `millrace bench embedding`: our embedding tables beside LibTorch's.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "cli/common/bench_row.h"
#include "cli/torch/embedding_arms.h"

namespace millrace {

// embedding/{forward,step}/DCOLUMNS/{uniform,zipf} in millions of ids a second, against each of the
// other arms of ForwardArms() and StepArms(); with ranks, embedding/shared_step/.../{shm,gloo}
// against one rank. Ratios are medians of the rounds'. kInvalidArgument names a size that cannot
// be.
absl::StatusOr<std::vector<BenchRow>> RunEmbeddingBench(const EmbeddingBenchOptions& options);

}  // namespace millrace
