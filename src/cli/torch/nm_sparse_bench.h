// `millrace bench nm_sparse`: N:M-sparse products and training steps beside dense ones.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/common/bench_row.h"

namespace millrace {

struct NmSparseBenchOptions {
  std::vector<int> widths = {512, 1024, 2048};  // of square layers
  std::vector<std::string> patterns = {"2:4", "2:8", "1:8"};
  int batch = 1024;  // rows
  int rounds = 20;   // of all arms, interleaved
  int threads = 1;   // of every arm
  std::string device = "cpu";
};

// Names: nm_sparse/{forward,input_gradient}/PATTERN/vSHARED/{fp32,bf16}/{rows,chain}/DWIDTH in
// GFLOP/s of the dense product that it stands for; nm_sparse/step/... in milliseconds;
// with kernels that are sparse (chain) or as the backend chooses them (auto);
// nm_sparse/inference/... in milliseconds, of acting; nm_sparse/pack/... in nanoseconds a weight
// for both forms;
// .../energy in joules where the processor tells. Each once against dense float32 (the
// faster of what LibTorch calls by itself and of oneDNN) and once against dense bfloat16; ratios
// are medians of the rounds'. On a GPU: forward products whose weights are compressed before, and
// steps with 2:4-sparse products (sparse), with dense ones and zeros (masked), and with the faster
// of both (auto); float32 is then the faster of float32 and TF32. kInvalidArgument names a pattern
// that there is not.
absl::StatusOr<std::vector<BenchRow>> RunNmSparseBench(const NmSparseBenchOptions& options);

// Lines that say what the table means beside what BDWP reports.
std::string NmSparseNotes(const std::vector<BenchRow>& table);

}  // namespace millrace
