// What every benchmark prints: a figure with its roof or rival from the same run.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace millrace {

struct BenchRow {
  std::string name, unit;
  double value = 0;  // the median of `samples`
  std::string baseline;
  double baseline_value = 0;
  std::vector<double> samples;
  bool lower_is_better = false;
  // The median of the ratios of pairs that were measured together; 0: the ratio of the medians.
  double pair_ratio = 0;

  // Above 1: better than the baseline. 0 if there is none.
  double Ratio() const;
};

double Median(std::vector<double> values);

// A line each, and with `json` the list of interface objects into that file; "-": that alone, on
// standard output.
absl::Status PrintBench(const std::vector<BenchRow>& rows, const std::string& json);

}  // namespace millrace
