// `millrace bench observations`: how small encoded observations are, and how fast that goes.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/common/bench_row.h"
#include "millrace/registry/registry.h"

namespace millrace {

struct ObservationsBenchOptions {
  std::vector<std::string> environments = {"cartpole", "pendulum", "half_cheetah"};
  int steps = 128, rows = 32;  // of a segment
  int rounds = 20;             // the median counts
};

// observations/ENVIRONMENT/{bfloat16,bounded_1e-2,bounded_1e-3,bounded_1e-4}/{ratio,
// encode_gigabytes_per_second,decode_gigabytes_per_second}, of the bytes that reals take as they
// are, beside memcpy. Segments are of random actions. kInvalidArgument for an environment that
// there is not, or whose first agent sees no reals.
absl::StatusOr<std::vector<BenchRow>> RunObservationsBench(const ObservationsBenchOptions& options,
                                                           const Registry& registry);

}  // namespace millrace
