// A policy that recommends slates: the trunk of DLRM (Naumov et al. 2019, arXiv:1906.00091) scores
// every candidate by itself.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "millrace/config/options.h"
#include "models/dlrm_network.h"
#include "models/table_policy.h"

namespace millrace {

// Of environments whose observation has features of ids alone: candidate_0, candidate_1, ..., each
// of one id, and others, the context; and whose action is a choice of a slate, numbered as
// Subsets() does.
//
// A candidate's score comes of its row, the bags of the context, and the products of all pairs of
// them; a slate's logit is the sum of its candidates' scores. So the greedy slate has the best
// candidates, and the order in a slate, which means nothing, is not drawn. Bound to one thread.
class SlatePolicy : public TablePolicy {
 public:
  static constexpr char kType[] = "slate";
  // Names of candidates begin with it.
  static constexpr char kCandidate[] = "candidate_";

  // shape.bags: of a candidate and the context.
  SlatePolicy(const Shape& tables, const DlrmShape& shape, int64_t slate, uint64_t seed);

  // logits [N, slates], value [N].
  HeadOutputs Forward(const TensorDict& observation, const torch::Tensor& first,
                      const torch::Tensor& state) override;

 private:
  torch::Tensor candidates_, context_;  // int64: of features()
  torch::Tensor slates_;                // [candidates, slates]: 1 where a slate has one
  std::shared_ptr<DlrmNetwork> score_, value_trunk_;
  std::shared_ptr<LinearModule> value_head_;
};

// A ModelFactory. Options: slate (3): candidates of one; those of ReadDlrmShape() (bottom: [] by
// default), left_out ([]: features of ids). Values are normalised.
absl::StatusOr<std::shared_ptr<Policy>> MakeSlatePolicy(const Options& options,
                                                        const ObservationSpec& observation,
                                                        const ActionSpec& action, uint64_t seed);

}  // namespace millrace
