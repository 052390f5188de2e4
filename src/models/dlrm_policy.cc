#include "models/dlrm_policy.h"

#include <cmath>
#include <utility>

#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr int64_t kWidest = 1 << 20;

}  // namespace

DlrmPolicy::DlrmPolicy(std::vector<std::string> dense, const Shape& tables, const DlrmShape& shape,
                       uint64_t seed)
    : TablePolicy(tables, seed),
      dense_(std::move(dense)),
      network_(register_module("network", std::make_shared<DlrmNetwork>(shape, seed))) {}

HeadOutputs DlrmPolicy::Forward(const TensorDict& observation, const torch::Tensor& /*first*/,
                                const torch::Tensor& /*state*/) {
  const torch::Tensor bags = Bags(observation);
  std::vector<torch::Tensor> parts;
  for (const std::string& name : dense_) {
    parts.push_back(observation.at(name).reshape({bags.size(0), -1}));
  }
  const torch::Tensor dense = parts.empty() ? torch::ones({bags.size(0), 1}) : torch::cat(parts, 1);
  HeadOutputs heads;
  heads.logits = network_->Forward(dense, bags);
  return heads;
}

absl::StatusOr<DlrmShape> ReadDlrmShape(const Options& options, const std::string& owner,
                                        const std::vector<double>& bottom) {
  const auto sizes = [&](const char* key, const std::vector<double>& fallback) {
    std::vector<int64_t> layers;
    for (const double size : options.GetDoubles(key, fallback)) {
      const bool fits = size >= 1 && size <= kWidest && size == std::floor(size);
      layers.push_back(fits ? static_cast<int64_t>(size) : 0);
    }
    return layers;
  };
  DlrmShape shape{.columns = options.GetInt("columns", 16, 1, 4096),
                  .bottom = sizes("bottom", bottom),
                  .top = sizes("top", {128, 64})};
  const bool cross = options.GetChoice("interaction", "dot", {"dot", "cross"}) == "cross";
  shape.interaction = cross ? Interaction::kCross : Interaction::kDot;
  shape.cross_layers = options.GetInt("cross_layers", shape.cross_layers, 1, 100);
  shape.cross_rank = options.GetInt("cross_rank", shape.cross_rank, 1, kWidest);
  MILLRACE_RETURN_IF_ERROR(options.Finish(owner));
  for (const auto* layers : {&shape.bottom, &shape.top}) {
    for (const int64_t size : *layers) {
      if (size > 0) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(owner, ": bottom and top: expected whole sizes from 1 to ", kWidest));
    }
  }
  return shape;
}

absl::StatusOr<std::shared_ptr<Policy>> MakeDlrmPolicy(const Options& options,
                                                       const ObservationSpec& observation,
                                                       const ActionSpec& action, uint64_t seed) {
  TablePolicy::Shape tables{.observed = observation.id_features,
                            .left_out = options.GetStrings("left_out", {}),
                            .mean = options.GetChoice("pooling", "sum", {"sum", "mean"}) == "mean"};
  MILLRACE_ASSIGN_OR_RETURN(DlrmShape shape, ReadDlrmShape(options, "model dlrm", /*bottom=*/{64}));
  tables.columns = shape.columns;
  MILLRACE_RETURN_IF_ERROR(CheckTables(tables, DlrmPolicy::kType));
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
  if (dense.empty()) shape.dense = 1;  // a constant
  shape.bags = std::ssize(tables.observed) - std::ssize(tables.left_out);
  return std::make_shared<DlrmPolicy>(std::move(dense), tables, shape, seed);
}

}  // namespace millrace
