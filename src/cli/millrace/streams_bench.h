// Streams between real processes: round trips, bytes per second, weights to many readers; beside
// bare ZeroMQ and memcpy.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "cli/common/bench_row.h"

namespace millrace {

struct StreamsBenchOptions {
  std::vector<size_t> round_trip_bytes = {64, 1024};
  std::vector<size_t> segment_bytes = {65536, 1 << 20};
  size_t weight_bytes = 10'000'000;
  int readers = 10;
  int rounds = 5;          // of every measurement, interleaved; the median counts
  int round_trips = 5000;  // of one measurement
};

// Every end is a process of its own (stream_ends.h), joined by a controller of this process.
absl::StatusOr<std::vector<BenchRow>> RunStreamsBench(const StreamsBenchOptions& options);

}  // namespace millrace
