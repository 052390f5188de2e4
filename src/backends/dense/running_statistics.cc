#include "backends/dense/running_statistics.h"

namespace millrace {

RunningStatistics::RunningStatistics(int64_t size, torch::Device device)
    : size_(size),
      state_(torch::zeros({1 + 2 * size}, torch::dtype(torch::kFloat64).device(device))) {
  variance().fill_(1.0);
}

torch::Tensor RunningStatistics::Sums(const torch::Tensor& samples,
                                      const torch::Tensor& weights) const {
  const torch::NoGradGuard no_gradient;
  const torch::Tensor w = weights.to(torch::kFloat64).unsqueeze(-1);
  const torch::Tensor deviation = samples.to(torch::kFloat64) - mean();
  // An absent row may hold anything, also what is not finite.
  const torch::Tensor counted = deviation.masked_fill(w == 0, 0.0);
  return torch::cat({w.sum().view({1}), (counted * w).sum(0), (counted.square() * w).sum(0)});
}

void RunningStatistics::Merge(const torch::Tensor& sums) {
  const torch::NoGradGuard no_gradient;
  const double added = sums[0].item<double>();
  if (added <= 0) return;
  const double before = count().item<double>();
  const double total = before + added;
  const torch::Tensor shift = sums.narrow(0, 1, size_) / added;  // batch mean - running mean
  const torch::Tensor squares = sums.narrow(0, 1 + size_, size_) - added * shift.square();
  variance()
      .mul_(before)
      .add_(squares.clamp_min(0))
      .add_(shift.square() * (before * added / total))
      .div_(total);
  mean().add_(shift * (added / total));
  count().fill_(total);
}

void RunningStatistics::SetMoments(const torch::Tensor& new_mean,
                                   const torch::Tensor& new_variance) {
  const torch::NoGradGuard no_gradient;
  mean().copy_(new_mean);
  variance().copy_(new_variance);
}

}  // namespace millrace
