#include "cli/torch/rate_rows.h"

#include <spdlog/fmt/fmt.h>

namespace millrace {

std::string AddRateRows(const std::string& family, const BenchModel& model, int size,
                        const std::string& device, const Roof& roof, const Rates& rates,
                        std::vector<BenchRow>& table) {
  const bool gpu = device != "cpu";
  const std::vector<double>& measured = gpu ? rates.torch : rates.core;
  const std::vector<double>& baseline = gpu ? rates.core : rates.torch;
  const std::string name =
      gpu ? fmt::format("{}/libtorch/{}/{}/{}", family, model.name, size, device)
          : fmt::format("{}/native/{}/{}", family, model.name, size);
  table.push_back({name, "samples/s", Median(measured),
                   gpu ? rates.core_name + ", one core" : "LibTorch", Median(baseline), measured});
  if (!model.roof) return name;
  std::vector<double> shares;
  for (const double rate : measured) shares.push_back(rate * rates.roof_seconds);
  table.push_back({name + "/roof_share", gpu ? "of the device" : "of a core's multiply-adds",
                   Median(shares), roof.ToString() + " measured", 1, shares});
  return name;
}

}  // namespace millrace
