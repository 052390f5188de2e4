// DLRM as a model of an experiment.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "millrace/config/options.h"
#include "millrace/models/policy.h"
#include "models/dlrm_network.h"

namespace millrace {

// The dense part is here; the embedding tables are the backend's, too large to be weights of a
// module. Bound to one thread.
class DlrmPolicy : public Policy {
 public:
  static constexpr char kType[] = "dlrm";
  // What the backend adds to a minibatch: float32 [N, features, columns], the bags of every sample.
  static constexpr char kBags[] = "bags";

  // `dense`: names of float32 fields.
  DlrmPolicy(std::vector<std::string> dense, std::vector<IdFeature> features, bool mean,
             const DlrmShape& shape, uint64_t seed);

  // logits [N, 1]. Throws if there are no bags.
  HeadOutputs Forward(const TensorDict& observation, const torch::Tensor& first,
                      const torch::Tensor& state) override;

  const std::vector<IdFeature>& features() const { return features_; }
  int64_t columns() const { return columns_; }
  bool mean() const { return mean_; }  // bags are means of rows, not sums
  uint64_t seed() const { return seed_; }

 private:
  const std::vector<std::string> dense_;
  const std::vector<IdFeature> features_;
  const int64_t columns_;
  const bool mean_;
  const uint64_t seed_;
  std::shared_ptr<DlrmNetwork> network_;
};

// A ModelFactory. Options: columns (16), bottom ([64]), top ([128, 64]), pooling (sum | mean),
// interaction (dot | cross), cross_layers (3), cross_rank (32).
absl::StatusOr<std::shared_ptr<Policy>> MakeDlrmPolicy(const Options& options,
                                                       const ObservationSpec& observation,
                                                       const ActionSpec& action, uint64_t seed);

}  // namespace millrace
