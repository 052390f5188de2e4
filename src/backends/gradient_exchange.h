// How the ranks of a trainer group agree on the gradients of a step.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "millrace/backends/backend.h"

namespace millrace {

struct GradientExchangeOptions {
  // Below 1: a rank sends so large a share of its gradients, those of largest magnitude, and the
  // others count as zero (Shi et al. 2021, "Towards Scalable Distributed Training of Deep Learning
  // on Public Cloud Clusters", MLSys), rounded to bfloat16. For links so slow that a step waits.
  double density = 1;
  // What was not sent, or rounded away, is added to the gradients of the next step.
  bool error_feedback = true;

  // Reads gradient_density (1) and error_feedback (true).
  static GradientExchangeOptions FromOptions(const Options& options);
};

// Nothing is exchanged, or left out, in a group of one. What a rank has not sent yet is its own: it
// is in no checkpoint, and a rank that begins anew begins without. Bound to one thread.
class GradientExchange {
 public:
  void Configure(const GradientExchangeOptions& options) { options_ = options; }
  // Replaces a rank's gradients by the mean that all ranks apply, with the same bits on all of
  // them. flat [size]: those of so many parameters, and zeros between them. Whatever is not finite
  // is sent first, so that all ranks see it and skip the step; what they had not sent stays as it
  // was.
  absl::Status Mean(torch::Tensor& flat, int64_t parameters, Collectives& group);

  // Keep, and go back to, what has not been sent.
  void Checkpoint() { saved_ = unsent_; }
  void Rollback() { unsent_ = saved_; }

 private:
  absl::Status MeanOfLargest(torch::Tensor& flat, int64_t count, Collectives& group);

  GradientExchangeOptions options_;
  std::vector<float> unsent_, saved_, rest_;
};

// Where the `count` numbers of largest magnitude are, ascending; of equal ones the earlier are
// taken, and NaN is larger than all numbers. 0 <= count <= size < 2^31.
std::vector<int32_t> LargestMagnitudes(std::span<const float> numbers, int64_t count);

}  // namespace millrace
