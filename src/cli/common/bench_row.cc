#include "cli/common/bench_row.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

namespace millrace {

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double BenchRow::Ratio() const {
  if (pair_ratio > 0) return pair_ratio;
  if (value <= 0 || baseline_value <= 0) return 0;
  return lower_is_better ? baseline_value / value : value / baseline_value;
}

absl::Status PrintBench(const std::vector<BenchRow>& rows, const std::string& json) {
  nlohmann::json list = nlohmann::json::array();
  for (const BenchRow& row : rows) {
    list.push_back({{"name", row.name},
                    {"unit", row.unit},
                    {"value", row.value},
                    {"baseline", row.baseline},
                    {"baseline_value", row.baseline_value},
                    {"ratio", row.Ratio()},
                    {"samples", row.samples}});
  }
  if (json == "-") {
    std::printf("%s\n", list.dump().c_str());
    return absl::OkStatus();
  }
  for (const BenchRow& row : rows) {
    std::printf("%-52s %12.6g %-30s %6.3g of %s (%.6g), median of %zu\n", row.name.c_str(),
                row.value, row.unit.c_str(), row.Ratio(), row.baseline.c_str(), row.baseline_value,
                row.samples.size());
  }
  if (json.empty()) return absl::OkStatus();
  std::ofstream file(json);
  file << list.dump(2) << "\n";
  return file ? absl::OkStatus() : absl::ResourceExhaustedError("cannot write " + json);
}

}  // namespace millrace
