// What benchmarks of models at several sizes have in common.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/common/bench_row.h"
#include "cli/torch/bench_models.h"
#include "cli/torch/roof.h"

namespace millrace {

struct ModelBenchOptions {
  std::vector<std::string> models = {};  // as FindBenchModels(); none: all of them
  std::vector<int> sizes = {};           // rows of a batch, or agent steps of an optimiser step
  std::string device = "cpu";            // of LibTorch's arm: as FindDevice()
  int rounds = 5;                        // of each, interleaved; the median counts
  double seconds = 0;                    // of one round, at least
};

// Adds the rows of one model at one size.
using ModelBench =
    std::function<absl::Status(const BenchModel& model, int size, torch::Device device,
                               const Roof& roof, std::vector<BenchRow>& table)>;

// Measures the roof of one core, or of the device, and then every model at every size, LibTorch on
// one thread.
absl::StatusOr<std::vector<BenchRow>> BenchEveryModel(const ModelBenchOptions& options,
                                                      const ModelBench& bench);

}  // namespace millrace
