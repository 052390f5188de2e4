#include "cli/torch/roof.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <functional>

#include "core/deadline.h"
#include "kernels/kernels.h"

namespace millrace {
namespace {

constexpr int kRounds = 5;

// The shortest of some rounds, after one to warm up.
double BestSeconds(torch::Device device, const std::function<void()>& work) {
  work();
  double best = 0;
  for (int round = 0; round < kRounds; ++round) {
    Wait(device);
    const Clock::time_point begin = Clock::now();
    work();
    Wait(device);
    const double seconds = SecondsSince(begin);
    best = round == 0 ? seconds : std::min(best, seconds);
  }
  return best;
}

}  // namespace

double Roof::Seconds(double work, double traffic) const {
  return std::max(work / operations, bytes > 0 ? traffic / bytes : 0);
}

std::string Roof::ToString() const {
  const std::string core = fmt::format("{:.0f} GFLOP/s", operations * 1e-9);
  return bytes > 0 ? fmt::format("{}, {:.0f} GB/s", core, bytes * 1e-9) : core;
}

Roof MeasureCore() {
  constexpr int64_t kMultiplyAdds = 100'000;
  constexpr double kSeconds = 0.2;
  const kernels::KernelSet& set = kernels::BestKernels();
  Roof roof;
  const Clock::time_point start = Clock::now();
  while (SecondsSince(start) < kSeconds) {
    const Clock::time_point begin = Clock::now();
    const int64_t operations = set.multiply_adds(kMultiplyAdds);
    roof.operations =
        std::max(roof.operations, static_cast<double>(operations) / SecondsSince(begin));
  }
  return roof;
}

Roof MeasureDevice(torch::Device device) {
  constexpr int64_t kSide = 8192, kFloats = int64_t{1} << 28, kLaunches = 1000;
  const torch::NoGradGuard no_gradient;
  const auto options = torch::dtype(torch::kFloat32).device(device);
  Roof roof;
  {
    const torch::Tensor a = torch::randn({kSide, kSide}, options), b = torch::randn_like(a);
    torch::Tensor product = torch::empty_like(a);
    const double side = static_cast<double>(kSide);
    roof.operations =
        2 * side * side * side / BestSeconds(device, [&] { at::mm_out(product, a, b); });
  }
  {
    const torch::Tensor from = torch::ones({kFloats}, options);
    const torch::Tensor to = torch::empty_like(from);
    const double bytes = 2 * sizeof(float) * static_cast<double>(kFloats);
    roof.bytes = bytes / BestSeconds(device, [&] { to.copy_(from); });
  }
  const torch::Tensor one = torch::ones({1}, options);
  const double seconds = BestSeconds(device, [&] {
    for (int64_t i = 0; i < kLaunches; ++i) one.add_(1);
  });
  roof.launch_seconds = seconds / static_cast<double>(kLaunches);
  return roof;
}

void Wait(torch::Device device) {
  if (!device.is_cpu()) torch::cuda::synchronize(device.index());
}

}  // namespace millrace
