#include "algorithms/trajectory_tensors.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

absl::StatusOr<torch::Tensor> Take(const TensorDict& batch, const char* name,
                                   torch::ScalarType type, torch::IntArrayRef shape) {
  const auto found = batch.find(name);
  if (found == batch.end()) {
    return absl::InvalidArgumentError(absl::StrCat("batch: field \"", name, "\" is missing"));
  }
  const torch::Tensor& tensor = found->second;
  if (tensor.sizes() != shape || tensor.scalar_type() != type) {
    return absl::InvalidArgumentError(
        absl::StrCat("batch: ", name, ": expected ", torch::toString(type), " [",
                     absl::StrJoin(shape, ", "), "], got ", torch::toString(tensor.scalar_type()),
                     " [", absl::StrJoin(tensor.sizes(), ", "), "]"));
  }
  return tensor.cpu().contiguous();
}

template <typename T>
std::span<const T> ConstSpan(const torch::Tensor& tensor) {
  return {tensor.const_data_ptr<T>(), static_cast<size_t>(tensor.numel())};
}

}  // namespace

std::span<float> FloatSpan(const torch::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

absl::StatusOr<TrajectoryTensors> TrajectoryTensors::Create(const TensorDict& batch,
                                                            const torch::Tensor& values) {
  if (values.dim() != 2 || values.size(0) < 2) {
    return absl::InvalidArgumentError(absl::StrCat("batch: value: expected [T+1, B], got [",
                                                   absl::StrJoin(values.sizes(), ", "), "]"));
  }
  const std::vector<int64_t> shape = {values.size(0) - 1, values.size(1)};
  MILLRACE_ASSIGN_OR_RETURN(auto reward, Take(batch, "reward", torch::kFloat32, shape));
  MILLRACE_ASSIGN_OR_RETURN(auto terminated, Take(batch, "terminated", torch::kUInt8, shape));
  MILLRACE_ASSIGN_OR_RETURN(auto truncated, Take(batch, "truncated", torch::kUInt8, shape));
  MILLRACE_ASSIGN_OR_RETURN(auto truncation,
                            Take(batch, "truncation_value", torch::kFloat32, shape));
  TrajectoryTensors result;
  const torch::Tensor kept_values = values.detach().to(torch::kFloat32).cpu().contiguous();
  result.tensors_ = {reward, kept_values, terminated, truncated, truncation};
  result.view_ = {shape[0],
                  shape[1],
                  ConstSpan<float>(reward),
                  ConstSpan<float>(kept_values),
                  ConstSpan<uint8_t>(terminated),
                  ConstSpan<uint8_t>(truncated),
                  ConstSpan<float>(truncation)};
  return result;
}

}  // namespace millrace
