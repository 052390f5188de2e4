// Mean and variance of everything seen so far, over all ranks.
#pragma once

#include "millrace/models/torch.h"

namespace millrace {

// Merges batches by Chan et al. 1983, "Algorithms for computing the sample variance", in double
// precision. Bound to one thread.
class RunningStatistics {
 public:
  explicit RunningStatistics(int64_t size, torch::Device device = torch::kCPU);

  int64_t size() const { return size_; }
  // What Merge() needs of samples [N, size] with weights [N]: float64 [1 + 2 size], to be summed
  // over ranks that all have the same statistics so far.
  torch::Tensor Sums(const torch::Tensor& samples, const torch::Tensor& weights) const;
  void Merge(const torch::Tensor& sums);
  // Takes over mean and variance [size]; the count stays.
  void SetMoments(const torch::Tensor& mean, const torch::Tensor& variance);

  torch::Tensor count() const { return state_.narrow(0, 0, 1); }
  torch::Tensor mean() const { return state_.narrow(0, 1, size_); }
  torch::Tensor variance() const { return state_.narrow(0, 1 + size_, size_); }
  // float64 [1 + 2 size]: count, mean, variance.
  torch::Tensor& state() { return state_; }

 private:
  const int64_t size_;
  torch::Tensor state_;
};

}  // namespace millrace
