// What benchmarks compare, in turns.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace millrace {

struct BenchArm {
  std::string name;
  std::function<void()> run;
};

// [arm][round]; joules of rounds in which they are known.
struct MeasuredArms {
  std::vector<std::vector<double>> seconds, joules;
};

// Runs every arm in every round, after one round to warm up. `one_thread`: its CPU time counts,
// which others on the machine disturb less.
MeasuredArms Interleave(const std::vector<BenchArm>& arms, int rounds, bool one_thread);

}  // namespace millrace
