#include "backends/dense/normalizers.h"

#include "absl/strings/str_cat.h"
#include "inference/normalization.h"
#include "millrace/core/status.h"
#include "millrace/data/schema.h"

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
  if (policy != nullptr && policy->spec().normalize_observation) {
    AddBlocks(policy->spec(), value_weight_.device());
  }
  const bool scales_values = value_mean_.defined() && value_variance_.defined() &&
                             value_weight_.defined() && value_bias_.defined();
  if (scales_values) value_.emplace(1, value_weight_.device());
}

void Normalizers::AddBlocks(const ModelSpec& spec, torch::Device device) {
  if (spec.type != "entity_attention") {
    observation_.push_back({{.field = "", .width = spec.num_features()},
                            "",
                            RunningStatistics(spec.num_features(), device)});
    return;
  }
  const EntityInputs inputs =
      EntityInputsOf(spec, spec.one_trunk() ? Network::kActor : Network::kCritic);
  for (const auto* blocks : {&inputs.flat, &inputs.circular, &inputs.sets}) {
    for (const FeatureBlock& block : *blocks) {
      const std::string mask =
          block.mask < 0
              ? ""
              : ObservationField(spec.observation.fields[static_cast<size_t>(block.mask)].name);
      observation_.push_back({block, mask, RunningStatistics(block.width, device)});
    }
  }
}

// `features` [N, F] of the batch.
torch::Tensor Normalizers::BlockSums(const Block& block, const TensorDict& batch,
                                     const torch::Tensor& features) const {
  const FeatureBlock& part = block.features;
  const torch::Tensor samples =
      features.narrow(1, part.column, part.size()).reshape({-1, part.width});
  torch::Tensor weights = Weights(batch, features).unsqueeze(1).expand({-1, part.count});
  if (!block.mask.empty()) weights = weights * (batch.at(block.mask).view({-1, part.count}) != 0);
  return block.statistics.Sums(samples, weights.reshape({-1}));
}

absl::Status Normalizers::Update(const TensorDict& batch, const torch::Tensor& value_targets,
                                 Collectives& group) {
  const torch::NoGradGuard no_gradient;
  std::vector<torch::Tensor> sums;
  if (!observation_.empty()) {
    const torch::Tensor features = policy_->RawFeatures(batch).flatten(0, -2);
    for (const Block& block : observation_) sums.push_back(BlockSums(block, batch, features));
  }
  if (value_ && value_targets.defined()) {
    const torch::Tensor targets = value_targets.reshape({-1, 1});
    sums.push_back(value_->Sums(targets, Weights(batch, targets)));
  }
  if (sums.empty()) return absl::OkStatus();
  torch::Tensor all = torch::cat(sums);
  MILLRACE_RETURN_IF_ERROR(group.AllReduceSum(all));
  int64_t begin = 0;
  const auto merge = [&](RunningStatistics& statistics) {
    const int64_t size = statistics.state().numel();
    statistics.Merge(all.narrow(0, begin, size));
    begin += size;
  };
  for (Block& block : observation_) merge(block.statistics);
  WriteObservation();
  if (value_ && value_targets.defined()) {
    merge(*value_);
    WriteValue();
  }
  return absl::OkStatus();
}

void Normalizers::WriteObservation() {
  for (const Block& block : observation_) {
    const auto write = [&](torch::Tensor& buffer, const torch::Tensor& statistic) {
      const FeatureBlock& features = block.features;
      buffer.narrow(0, features.column, features.size())
          .view({features.count, features.width})
          .copy_(statistic);
    };
    write(observation_mean_, block.statistics.mean());
    write(observation_variance_, block.statistics.variance());
  }
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
  for (Block& block : observation_) {
    const FeatureBlock& features = block.features;
    block.statistics.SetMoments(observation_mean_.narrow(0, features.column, features.width),
                                observation_variance_.narrow(0, features.column, features.width));
  }
  if (value_) value_->SetMoments(value_mean_, value_variance_);
}

std::map<std::string, torch::Tensor> Normalizers::State() {
  std::map<std::string, torch::Tensor> state;
  for (Block& block : observation_) {
    const std::string& field = block.features.field;
    state[absl::StrCat("normalizer.observation", field.empty() ? "" : ".", field)] =
        block.statistics.state();
  }
  if (value_) state["normalizer.value"] = value_->state();
  return state;
}

}  // namespace millrace
