// Samples per second of one core and of LibTorch as a benchmark's rows.
#pragma once

#include <string>
#include <vector>

#include "cli/common/bench_row.h"
#include "cli/torch/bench_models.h"
#include "cli/torch/roof.h"

namespace millrace {

struct Rates {
  std::vector<double> core = {}, torch = {};  // samples/s of each round
  std::string core_name = "native";
  double roof_seconds = 0;  // the least time of a sample
};

// FAMILY/native/MODEL/SIZE against LibTorch or, of another device than "cpu",
// FAMILY/libtorch/MODEL/SIZE/DEVICE against one core; and the share of the roof, if it is known.
// Returns the name.
std::string AddRateRows(const std::string& family, const BenchModel& model, int size,
                        const std::string& device, const Roof& roof, const Rates& rates,
                        std::vector<BenchRow>& table);

}  // namespace millrace
