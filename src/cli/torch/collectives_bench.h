// `millrace bench collectives`: what trainers of one host exchange, over shared memory beside Gloo.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/common/bench_row.h"

namespace millrace {

struct CollectivesBenchOptions {
  std::vector<int64_t> bytes = {4096, 65'536, 1'048'576, 8'388'608};  // of one rank
  int ranks = 2;
  int rounds = 9;  // of both, in turns
};

// all_to_all (a rank's bytes go to its peers in equal parts, floats) and all_reduce: microseconds
// an operation, the median of rounds. Ranks are threads of this process.
absl::StatusOr<std::vector<BenchRow>> RunCollectivesBench(const CollectivesBenchOptions& options);

}  // namespace millrace
