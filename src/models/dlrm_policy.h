// DLRM as a model of an experiment.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "millrace/config/options.h"
#include "models/dlrm_network.h"
#include "models/table_policy.h"

namespace millrace {

// Scores samples: it never acts, and its tables are the backend's alone. Bound to one thread.
class DlrmPolicy : public TablePolicy {
 public:
  static constexpr char kType[] = "dlrm";

  // `dense`: names of float32 fields.
  DlrmPolicy(std::vector<std::string> dense, const Shape& tables, const DlrmShape& shape,
             uint64_t seed);

  // logits [N, 1]. Throws if there are no bags.
  HeadOutputs Forward(const TensorDict& observation, const torch::Tensor& first,
                      const torch::Tensor& state) override;

 private:
  const std::vector<std::string> dense_;
  std::shared_ptr<DlrmNetwork> network_;
};

// Reads bottom, top ([128, 64]), interaction (dot | cross), cross_layers (3), cross_rank
// (32) and columns (16). kInvalidArgument names what is wrong, of options of `owner`, all of which
// were asked for.
absl::StatusOr<DlrmShape> ReadDlrmShape(const Options& options, const std::string& owner,
                                        const std::vector<double>& bottom);

// A ModelFactory. Options: those of ReadDlrmShape(), pooling (sum | mean), left_out ([]: features
// of ids).
absl::StatusOr<std::shared_ptr<Policy>> MakeDlrmPolicy(const Options& options,
                                                       const ObservationSpec& observation,
                                                       const ActionSpec& action, uint64_t seed);

}  // namespace millrace
