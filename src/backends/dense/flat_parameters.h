// All weights of a policy in one tensor: one collective, one optimiser call, one copy to publish.
#pragma once

#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "millrace/models/policy.h"

namespace millrace {

// Makes every parameter and buffer of a policy a view of `weights`, in the order of its layout, and
// every `.grad()` a view of `gradients`. Bound to one thread.
class FlatParameters {
 public:
  // kInvalidArgument if the layout and the module's parameters and buffers do not agree.
  static absl::StatusOr<std::unique_ptr<FlatParameters>> Create(std::shared_ptr<Policy> policy);

  const ParameterLayout& layout() const { return layout_; }
  torch::Tensor& weights() { return weights_; }      // [num_floats]
  torch::Tensor& trainable() { return trainable_; }  // [num_trainable], its first part
  torch::Tensor& gradients() { return gradients_; }  // [num_trainable]

  // Views by name; undefined if there is no such (trainable) entry.
  torch::Tensor Weight(std::string_view name) const;
  torch::Tensor Gradient(std::string_view name) const;

  void Snapshot(std::span<std::byte> blob) const;
  // kInvalidArgument if the size is wrong.
  absl::Status Load(std::span<const std::byte> blob);

 private:
  FlatParameters(ParameterLayout layout, torch::Device device);
  absl::Status Adopt(Policy& policy);

  const ParameterLayout layout_;
  std::shared_ptr<Policy> policy_;
  torch::Tensor weights_, trainable_, gradients_;
};

// The numbers of a contiguous float32 tensor on the CPU.
inline std::span<float> FloatsOf(const torch::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

}  // namespace millrace
