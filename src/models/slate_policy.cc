#include "models/slate_policy.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/subsets.h"
#include "millrace/core/status.h"
#include "models/dlrm_policy.h"

namespace millrace {
namespace {

constexpr int64_t kValueWidth = 64;

bool IsCandidate(const IdFeature& feature) {
  return feature.name.starts_with(SlatePolicy::kCandidate);
}

}  // namespace

SlatePolicy::SlatePolicy(const Shape& tables, const DlrmShape& shape, int64_t slate, uint64_t seed)
    : TablePolicy(tables, seed),
      score_(register_module("score", std::make_shared<DlrmNetwork>(shape, seed))) {
  AddRows();
  std::vector<int64_t> candidates, context;
  for (int64_t f = 0; f < std::ssize(features()); ++f) {
    (IsCandidate(features()[static_cast<size_t>(f)]) ? candidates : context).push_back(f);
  }
  candidates_ = torch::tensor(candidates, torch::kInt64);
  context_ = torch::tensor(context, torch::kInt64);
  const auto slates = Subsets(std::ssize(candidates), slate);
  slates_ = torch::zeros({std::ssize(candidates), std::ssize(slates)});
  for (size_t s = 0; s < slates.size(); ++s) {
    for (const int64_t candidate : slates[s]) slates_[candidate][static_cast<int64_t>(s)] = 1;
  }
  DlrmShape value = shape;
  value.outputs = kValueWidth;
  value_trunk_ = register_module("value_trunk", std::make_shared<DlrmNetwork>(value, seed + 1));
  Rng rng(seed, /*stream=*/1);
  value_head_ =
      register_module("value_head", std::make_shared<LinearModule>(kValueWidth, 1, 1.0, rng));
  register_buffer("value_mean", torch::zeros({1}));
  register_buffer("value_variance", torch::ones({1}));
}

HeadOutputs SlatePolicy::Forward(const TensorDict& observation, const torch::Tensor& /*first*/,
                                 const torch::Tensor& /*state*/) {
  const torch::Tensor bags = Bags(observation);
  const int64_t rows = bags.size(0), count = candidates_.size(0);
  const torch::Tensor candidates = bags.index_select(1, candidates_);
  const torch::Tensor context = bags.index_select(1, context_);
  const torch::Tensor each =
      torch::cat({candidates.unsqueeze(2), context.unsqueeze(1).expand({-1, count, -1, -1})}, 2)
          .flatten(0, 1);
  const torch::Tensor scores =
      score_->Forward(torch::ones({rows * count, 1}), each).view({rows, count});
  HeadOutputs heads;
  heads.logits = torch::mm(scores, slates_);
  const torch::Tensor mean = torch::cat({candidates.mean(1, /*keepdim=*/true), context}, 1);
  const torch::Tensor hidden = torch::relu(value_trunk_->Forward(torch::ones({rows, 1}), mean));
  heads.value = value_head_->Forward(hidden).squeeze(1);
  return heads;
}

absl::StatusOr<std::shared_ptr<Policy>> MakeSlatePolicy(const Options& options,
                                                        const ObservationSpec& observation,
                                                        const ActionSpec& action, uint64_t seed) {
  const int64_t slate = options.GetInt("slate", 3, 1, 100);
  TablePolicy::Shape tables{.observed = observation.id_features,
                            .left_out = options.GetStrings("left_out", {}),
                            .mean = true};
  MILLRACE_ASSIGN_OR_RETURN(DlrmShape shape, ReadDlrmShape(options, "model slate", /*bottom=*/{}));
  tables.columns = shape.columns;
  MILLRACE_RETURN_IF_ERROR(CheckTables(tables, SlatePolicy::kType));
  const bool leaves_candidates_out = std::ranges::any_of(
      tables.left_out,
      [](const std::string& name) { return name.starts_with(SlatePolicy::kCandidate); });
  if (leaves_candidates_out) {
    return absl::InvalidArgumentError(
        "model slate: left_out: expected features of the context, got candidates");
  }
  const int64_t candidates = std::ranges::count_if(observation.id_features, IsCandidate);
  const bool chooses =
      action.components.size() == 1 && action.num_choices() == NumSubsets(candidates, slate);
  if (observation.fields.size() != 2 || candidates == 0 || !chooses) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model slate: expected an environment with features of ids alone, some of them called "
        "candidate_0, candidate_1, ..., whose action chooses a slate of ",
        slate, " of those, such as rec_slate"));
  }
  shape.dense = 1;  // a constant
  shape.bags = 1 + std::ssize(observation.id_features) - candidates - std::ssize(tables.left_out);
  return std::make_shared<SlatePolicy>(tables, shape, slate, seed);
}

}  // namespace millrace
