#include "models/dlrm_policy.h"

#include <cmath>
#include <stdexcept>
#include <utility>

#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr int64_t kWidest = 1 << 20;

}  // namespace

DlrmPolicy::DlrmPolicy(std::vector<std::string> dense, std::vector<IdFeature> features, bool mean,
                       const DlrmShape& shape, uint64_t seed)
    : dense_(std::move(dense)),
      features_(std::move(features)),
      columns_(shape.columns),
      mean_(mean),
      seed_(seed),
      network_(register_module("network", std::make_shared<DlrmNetwork>(shape, seed))) {}

HeadOutputs DlrmPolicy::Forward(const TensorDict& observation, const torch::Tensor& /*first*/,
                                const torch::Tensor& /*state*/) {
  const auto bags = observation.find(kBags);
  if (bags == observation.end()) {
    throw std::invalid_argument("model dlrm: its tables are backend dlrm's, which computes it");
  }
  std::vector<torch::Tensor> parts;
  for (const std::string& name : dense_) {
    const torch::Tensor& field = observation.at(name);
    parts.push_back(field.reshape({field.size(0), -1}));
  }
  const torch::Tensor dense = parts.size() == 1 ? parts.front() : torch::cat(parts, 1);
  HeadOutputs heads;
  heads.logits = network_->Forward(dense, bags->second).unsqueeze(1);
  return heads;
}

absl::StatusOr<std::shared_ptr<Policy>> MakeDlrmPolicy(const Options& options,
                                                       const ObservationSpec& observation,
                                                       const ActionSpec& action, uint64_t seed) {
  const auto sizes = [&](const char* key, const std::vector<double>& fallback) {
    std::vector<int64_t> layers;
    for (const double size : options.GetDoubles(key, fallback)) {
      const bool fits = size >= 1 && size <= kWidest && size == std::floor(size);
      layers.push_back(fits ? static_cast<int64_t>(size) : 0);
    }
    return layers;
  };
  DlrmShape shape{.columns = options.GetInt("columns", 16, 1, 4096),
                  .bottom = sizes("bottom", {64}),
                  .top = sizes("top", {128, 64})};
  const bool mean = options.GetChoice("pooling", "sum", {"sum", "mean"}) == "mean";
  const bool cross = options.GetChoice("interaction", "dot", {"dot", "cross"}) == "cross";
  shape.interaction = cross ? Interaction::kCross : Interaction::kDot;
  shape.cross_layers = options.GetInt("cross_layers", shape.cross_layers, 1, 100);
  shape.cross_rank = options.GetInt("cross_rank", shape.cross_rank, 1, kWidest);
  MILLRACE_RETURN_IF_ERROR(options.Finish("model dlrm"));
  for (const auto* layers : {&shape.bottom, &shape.top}) {
    for (const int64_t size : *layers) {
      if (size > 0) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("model dlrm: bottom and top: expected whole sizes from 1 to ", kWidest));
    }
  }
  if (observation.id_features.empty()) {
    return absl::InvalidArgumentError(
        "model dlrm: expected an environment or dataset with features of ids, got one without");
  }
  if (!action.components.empty()) {
    return absl::InvalidArgumentError(
        "model dlrm: expected a dataset, as it scores samples, got an environment with actions");
  }
  std::vector<std::string> dense;
  for (const Field& field : observation.fields) {
    if (field.name == kIds || field.name == kIdCounts) continue;
    if (field.dtype != DType::kFloat32) {
      return absl::InvalidArgumentError(
          absl::StrCat("model dlrm: expected features of float32 and ids, got \"", field.name,
                       "\" of ", std::string(Name(field.dtype))));
    }
    dense.push_back(ObservationField(field.name));
    shape.dense += NumElements(field.shape);
  }
  if (dense.empty()) {
    return absl::InvalidArgumentError("model dlrm: expected float32 features, got none");
  }
  shape.bags = std::ssize(observation.id_features);
  return std::make_shared<DlrmPolicy>(std::move(dense), observation.id_features, mean, shape, seed);
}

}  // namespace millrace
