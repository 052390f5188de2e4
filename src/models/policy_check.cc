#include "models/policy_check.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "millrace/core/status.h"
#include "models/guarded_torch.h"
#include "models/torch_device.h"
#include "models/torch_dtype.h"

namespace millrace {
namespace {

constexpr int64_t kRows = 3;

std::vector<int64_t> Shape(std::vector<int64_t> leading, const std::vector<int64_t>& rest) {
  leading.insert(leading.end(), rest.begin(), rest.end());
  return leading;
}

absl::Status CheckOutput(const char* name, const torch::Tensor& tensor,
                         const std::vector<int64_t>& expected, bool wanted) {
  if (!wanted) return absl::OkStatus();
  const std::string shape = absl::StrCat("float32 [", absl::StrJoin(expected, ", "), "]");
  if (!tensor.defined()) {
    return absl::InvalidArgumentError(
        absl::StrCat("output ", name, ": expected ", shape, ", got an undefined tensor"));
  }
  if (tensor.sizes() == torch::IntArrayRef(expected) && tensor.scalar_type() == torch::kFloat32) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("output ", name, ": expected ", shape, ", got ",
                                                 torch::toString(tensor.scalar_type()), " [",
                                                 absl::StrJoin(tensor.sizes(), ", "), "]"));
}

absl::Status Check(Policy& policy, const ObservationSpec& observation, const ActionSpec& action) {
  const torch::NoGradGuard no_gradient;
  const bool recurrent = policy.state_size() > 0;
  const std::vector<int64_t> leading =
      recurrent ? std::vector<int64_t>{1, kRows} : std::vector<int64_t>{kRows};
  const torch::Device device = DeviceOf(policy);
  TensorDict inputs;
  for (const Field& field : observation.fields) {
    const auto options = torch::dtype(ToTorch(field.dtype)).device(device);
    const std::vector<int64_t> shape = Shape(leading, field.shape);
    inputs[ObservationField(field.name)] =
        field.name == kActionMask ? torch::ones(shape, options) : torch::zeros(shape, options);
  }
  torch::Tensor first, state;
  if (recurrent) {
    first = torch::ones(leading, torch::dtype(torch::kUInt8).device(device));
    state = torch::zeros({kRows, policy.state_size()}, device);
  }
  const HeadOutputs outputs = policy.Forward(inputs, first, state);
  const int64_t choices = action.num_choices(), reals = action.continuous_size();
  MILLRACE_RETURN_IF_ERROR(
      CheckOutput("logits", outputs.logits, Shape(leading, {choices}), choices > 0));
  MILLRACE_RETURN_IF_ERROR(CheckOutput("mean", outputs.mean, Shape(leading, {reals}), reals > 0));
  MILLRACE_RETURN_IF_ERROR(CheckOutput("log_std", outputs.log_std, {reals}, reals > 0));
  MILLRACE_RETURN_IF_ERROR(CheckOutput("value", outputs.value, leading, true));
  return CheckOutput("state", outputs.state, {kRows, policy.state_size()}, recurrent);
}

}  // namespace

absl::Status CheckPolicyOutputs(Policy& policy, const ObservationSpec& observation,
                                const ActionSpec& action) {
  return GuardedTorch("the policy module", [&] { return Check(policy, observation, action); });
}

}  // namespace millrace
