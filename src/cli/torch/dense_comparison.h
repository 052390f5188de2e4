// Arms of a benchmark in turns, beside dense ones.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/common/bench_row.h"
#include "cli/torch/interleaved_arms.h"

namespace millrace {

// Appends to a table what it measures: every arm in every round, after one round to warm up.
class DenseComparison {
 public:
  // `one_thread`: of arms its CPU time counts, which others on the machine disturb less.
  DenseComparison(int rounds, bool one_thread, std::vector<BenchRow>& table)
      : rounds_(rounds), one_thread_(one_thread), table_(table) {}

  // Every arm against dense float32, the faster of the first two arms, and against dense bfloat16,
  // the third, of those that come before it: `work` a second, or milliseconds if that is 0, and
  // joules if they are known. Ratios are medians of the rounds'. The first `dense` arms are named
  // nm_sparse/WHAT/dense/ARM/DWIDTH.
  void Add(const char* what, const char* unit, double work, int64_t width, size_t dense,
           const std::vector<BenchArm>& arms);
  // All arms against the first: seconds times `scale`.
  void AddScaled(const char* unit, double scale, const std::vector<BenchArm>& arms);
  // How much longer than the first, in the same round, all others take.
  void AddExtra(const char* unit, double scale, const std::vector<BenchArm>& arms);

 private:
  void AddAgainstFirst(const char* unit, double scale, const std::vector<BenchArm>& arms,
                       const std::vector<std::vector<double>>& seconds);
  void Compare(const std::string& name, const char* unit, double work, size_t i,
               const std::vector<BenchArm>& arms, const std::vector<std::vector<double>>& seconds);

  const int rounds_;
  const bool one_thread_;
  std::vector<BenchRow>& table_;
};

}  // namespace millrace
