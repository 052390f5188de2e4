#include "inference/native_model.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "inference/head_check.h"
#include "inference/normalization.h"
#include "millrace/core/status.h"

namespace millrace {

NativeModel::NativeModel(const ModelSpec& spec, const kernels::KernelSet& kernels)
    : spec_(spec),
      kernels_(kernels),
      weights_(ParameterLayout(spec)),
      reader_(spec),
      actor_(spec, Network::kActor, kernels),
      policy_head_(actor_.width(), spec.action.num_choices() + spec.action.continuous_size()) {
  if (!spec.one_trunk()) critic_.emplace(spec, Network::kCritic, kernels);
  value_head_ = PackedLayer(critic_ ? critic_->width() : actor_.width(), 1);
}

absl::Status NativeModel::Load(std::span<const std::byte> blob) {
  MILLRACE_RETURN_IF_ERROR(weights_.Load(blob));
  actor_.Pack(weights_);
  if (critic_) critic_->Pack(weights_);
  weights_.PackLinear("policy_head", policy_head_);
  weights_.PackLinear("value_head", value_head_);
  const auto log_std = weights_.Tensor("log_std");
  log_std_.assign(log_std.begin(), log_std.end());
  reader_.SetNormalizer(weights_.Tensor("observation_mean"),
                        weights_.Tensor("observation_variance"));
  if (spec_.normalize_value) {
    value_mean_ = weights_.Tensor("value_mean")[0];
    value_scale_ = std::sqrt(weights_.Tensor("value_variance")[0] + kNormalizerEpsilon);
  }
  return absl::OkStatus();
}

absl::Status NativeModel::Check(int rows, std::span<float> state, const HeadSpans& heads) const {
  if (weights_.empty()) return absl::FailedPreconditionError("forward: no weights were loaded");
  const auto expected = static_cast<size_t>(rows * spec_.state_size());
  if (state.size() >= expected) return CheckHeads(spec_, rows, heads);
  return absl::InvalidArgumentError(
      absl::StrCat("forward: state: expected ", expected, " floats, got ", state.size()));
}

absl::Status NativeModel::Forward(int rows, std::span<const TensorView> observation,
                                  std::span<float> state, const HeadSpans& heads) {
  MILLRACE_RETURN_IF_ERROR(Check(rows, state, heads));
  MILLRACE_ASSIGN_OR_RETURN(const float* features, reader_.Read(rows, observation));
  const TrunkInput input{rows, features, observation};
  const RowMatrix hidden = actor_.Apply(input, state.data());
  WritePolicyHead(hidden, rows, heads);
  WriteValue(critic_ ? critic_->Apply(input, state.data()) : hidden, rows, heads.value);
  std::copy(log_std_.begin(), log_std_.end(), heads.log_std.begin());
  return absl::OkStatus();
}

void NativeModel::WritePolicyHead(const RowMatrix& x, int rows, const HeadSpans& heads) {
  const int64_t width = policy_head_.padded_out();
  const int64_t choices = spec_.action.num_choices(), reals = spec_.action.continuous_size();
  head_.Reserve(static_cast<size_t>(rows * width));
  policy_head_.Apply(kernels_, x.data, x.stride, rows, head_.data());
  for (int64_t row = 0; row < rows; ++row) {
    const float* out = head_.data() + row * width;
    std::copy_n(out, choices, heads.logits.data() + row * choices);
    std::copy_n(out + choices, reals, heads.mean.data() + row * reals);
  }
}

void NativeModel::WriteValue(const RowMatrix& x, int rows, std::span<float> value) {
  const int64_t width = value_head_.padded_out();
  head_.Reserve(static_cast<size_t>(rows * width));
  value_head_.Apply(kernels_, x.data, x.stride, rows, head_.data());
  for (int row = 0; row < rows; ++row) {
    value[static_cast<size_t>(row)] = head_.data()[row * width] * value_scale_ + value_mean_;
  }
}

absl::StatusOr<std::unique_ptr<InferenceModel>> MakeNativeModel(const ModelSpec& spec) {
  if (!ModelSpec::IsBuiltinType(spec.type)) {
    return absl::InvalidArgumentError(
        absl::StrCat("no native forward for model type \"", spec.type, "\""));
  }
  return std::make_unique<NativeModel>(spec, kernels::BestKernels());
}

}  // namespace millrace
