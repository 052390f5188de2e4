#include "cli/torch/package_energy.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace millrace {

std::optional<double> PackageJoules() {
  std::optional<double> sum;
  std::error_code error;
  // Packages are intel-rapl:N, on AMD too; what lies within one has a second number.
  for (const auto& entry : std::filesystem::directory_iterator("/sys/class/powercap", error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("intel-rapl:") || name.find(':') != name.rfind(':')) continue;
    std::ifstream file(entry.path() / "energy_uj");
    double microjoules;
    if (file >> microjoules) sum = sum.value_or(0) + 1e-6 * microjoules;
  }
  return sum;
}

}  // namespace millrace
