#include "inference/native_model.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "millrace/core/status.h"

namespace millrace {

NativeModel::NativeModel(const ModelSpec& spec, const kernels::KernelSet& kernels)
    : spec_(spec),
      kernels_(kernels),
      weights_(ParameterLayout(spec)),
      heads_(spec),
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
  heads_.Load(weights_);
  reader_.SetNormalizer(weights_.Tensor("observation_mean"),
                        weights_.Tensor("observation_variance"));
  return absl::OkStatus();
}

absl::Status NativeModel::Check(int rows, std::span<float> state, const HeadSpans& heads) const {
  if (weights_.empty()) return absl::FailedPreconditionError("forward: no weights were loaded");
  const auto expected = static_cast<size_t>(rows * spec_.state_size());
  if (state.size() >= expected) return heads_.Check(rows, heads);
  return absl::InvalidArgumentError(
      absl::StrCat("forward: state: expected ", expected, " floats, got ", state.size()));
}

absl::Status NativeModel::Forward(int rows, std::span<const TensorView> observation,
                                  std::span<float> state, const HeadSpans& heads) {
  MILLRACE_RETURN_IF_ERROR(Check(rows, state, heads));
  MILLRACE_ASSIGN_OR_RETURN(const float* features, reader_.Read(rows, observation));
  const TrunkInput input{rows, features, observation};
  const RowMatrix hidden = actor_.Apply(input, state.data());
  heads_.WritePolicy(ApplyHead(policy_head_, hidden, rows), 0, rows, heads);
  const RowMatrix read_by_value = critic_ ? critic_->Apply(input, state.data()) : hidden;
  heads_.WriteValue(ApplyHead(value_head_, read_by_value, rows), 0, rows, heads);
  heads_.WriteLogStd(heads);
  return absl::OkStatus();
}

RowMatrix NativeModel::ApplyHead(const PackedLayer& head, const RowMatrix& x, int rows) {
  head_.Reserve(static_cast<size_t>(rows * head.padded_out()));
  head.Apply(kernels_, x.data, x.stride, rows, head_.data());
  return {head_.data(), head.padded_out()};
}

absl::StatusOr<std::unique_ptr<InferenceModel>> MakeNativeModel(const ModelSpec& spec) {
  if (!ModelSpec::IsBuiltinType(spec.type)) {
    return absl::InvalidArgumentError(
        absl::StrCat("no native forward for model type \"", spec.type, "\""));
  }
  return std::make_unique<NativeModel>(spec, kernels::BestKernels());
}

}  // namespace millrace
