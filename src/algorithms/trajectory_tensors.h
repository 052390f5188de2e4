// The standard fields of a batch as spans for the target computations.
#pragma once

#include "absl/status/statusor.h"
#include "algorithms/gae.h"
#include "millrace/models/policy.h"

namespace millrace {

// Keeps the tensors that `view` points into. Thread-compatible.
class TrajectoryTensors {
 public:
  // reward, terminated, truncated, truncation_value [T, B] of `batch` and `values` [T+1, B].
  // kInvalidArgument if a field is missing or has another shape or type.
  static absl::StatusOr<TrajectoryTensors> Create(const TensorDict& batch,
                                                  const torch::Tensor& values);
  const TrajectoryView& view() const { return view_; }

 private:
  std::vector<torch::Tensor> tensors_;
  TrajectoryView view_;
};

// A contiguous float32 tensor on the CPU as a span.
std::span<float> FloatSpan(const torch::Tensor& tensor);

}  // namespace millrace
