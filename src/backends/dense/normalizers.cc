#include "backends/dense/normalizers.h"

#include "inference/normalization.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

// 1 for the rows that count. `present` covers [T+1, B]; a tensor over the first T steps has fewer
// rows than it, one of single steps or without the field has all.
torch::Tensor Weights(const TensorDict& batch, const torch::Tensor& samples) {
  const int64_t rows = samples.size(0);
  const auto present = batch.find("present");
  if (present == batch.end() || present->second.numel() < rows) {
    return torch::ones({rows}, samples.device());
  }
  return present->second.flatten().narrow(0, 0, rows);
}

}  // namespace

Normalizers::Normalizers(const BuiltinPolicy* policy, const FlatParameters& parameters)
    : policy_(policy),
      observation_mean_(parameters.Weight("observation_mean")),
      observation_variance_(parameters.Weight("observation_variance")),
      value_mean_(parameters.Weight("value_mean")),
      value_variance_(parameters.Weight("value_variance")),
      value_weight_(parameters.Weight("value_head.weight")),
      value_bias_(parameters.Weight("value_head.bias")) {
  if (policy == nullptr) return;
  const torch::Device device = value_weight_.device();
  if (policy->spec().normalize_observation) {
    observation_.emplace(policy->spec().num_features(), device);
  }
  if (policy->spec().normalize_value) value_.emplace(1, device);
}

absl::Status Normalizers::Update(const TensorDict& batch, const torch::Tensor& value_targets,
                                 Collectives& group) {
  const torch::NoGradGuard no_gradient;
  std::vector<torch::Tensor> sums;
  if (observation_) {
    const torch::Tensor features = policy_->RawFeatures(batch).flatten(0, -2);
    sums.push_back(observation_->Sums(features, Weights(batch, features)));
  }
  if (value_ && value_targets.defined()) {
    const torch::Tensor targets = value_targets.reshape({-1, 1});
    sums.push_back(value_->Sums(targets, Weights(batch, targets)));
  }
  if (sums.empty()) return absl::OkStatus();
  torch::Tensor all = torch::cat(sums);
  MILLRACE_RETURN_IF_ERROR(group.AllReduceSum(all));
  if (observation_) {
    observation_->Merge(all);
    WriteObservation();
  }
  if (value_ && value_targets.defined()) {
    value_->Merge(all.narrow(0, all.numel() - 3, 3));
    WriteValue();
  }
  return absl::OkStatus();
}

void Normalizers::WriteObservation() {
  observation_mean_.copy_(observation_->mean());
  observation_variance_.copy_(observation_->variance());
}

void Normalizers::WriteValue() {
  const torch::Tensor old_mean = value_mean_.clone(), old_scale = ValueScale();
  value_mean_.copy_(value_->mean());
  value_variance_.copy_(value_->variance());
  const torch::Tensor scale = ValueScale();
  value_weight_.mul_(old_scale / scale);
  value_bias_.mul_(old_scale).add_(old_mean - value_mean_).div_(scale);
}

torch::Tensor Normalizers::ValueScale() const {
  return (value_variance_ + kNormalizerEpsilon).sqrt();
}

torch::Tensor Normalizers::DenormalizeValue(const torch::Tensor& value) const {
  return value_ ? value * ValueScale() + value_mean_ : value;
}

torch::Tensor Normalizers::NormalizeValue(const torch::Tensor& value) const {
  return value_ ? (value - value_mean_) / ValueScale() : value;
}

void Normalizers::ReadBuffers() {
  if (observation_) observation_->SetMoments(observation_mean_, observation_variance_);
  if (value_) value_->SetMoments(value_mean_, value_variance_);
}

std::map<std::string, torch::Tensor> Normalizers::State() {
  std::map<std::string, torch::Tensor> state;
  if (observation_) state["normalizer.observation"] = observation_->state();
  if (value_) state["normalizer.value"] = value_->state();
  return state;
}

}  // namespace millrace
