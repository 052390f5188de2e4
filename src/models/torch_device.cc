#include "models/torch_device.h"

#include <charconv>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace millrace {

absl::StatusOr<torch::Device> FindDevice(const std::string& name) {
  const int devices =
      torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0;
  if (name == "cpu" || (name == "auto" && devices == 0)) return torch::Device(torch::kCPU);
  if (name == "auto") return torch::Device(torch::kCUDA, 0);
  constexpr std::string_view kPrefix = "cuda:";
  int index = -1;
  if (name.starts_with(kPrefix)) {
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), index);
  }
  if (index >= 0 && index < devices) {
    return torch::Device(torch::kCUDA, static_cast<torch::DeviceIndex>(index));
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      "device: expected cpu", devices > 0 ? absl::StrCat(" or cuda:0 to cuda:", devices - 1) : "",
      ", which is what LibTorch finds here, got \"", name, "\""));
}

torch::Device DeviceOf(const Policy& policy) {
  const auto parameters = policy.parameters();
  return parameters.empty() ? torch::Device(torch::kCPU) : parameters.front().device();
}

}  // namespace millrace
