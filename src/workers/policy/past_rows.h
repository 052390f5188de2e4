// The rows of an inference batch in which past versions of the policy act.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "millrace/data/tensor_view.h"
#include "millrace/inference/inference_model.h"
#include "workers/league/past_versions.h"

namespace millrace {

// Bound to the thread that acts; keeps its buffers between batches.
class PastRows {
 public:
  // `versions` outlives it.
  PastRows(PastVersions* versions, const ActionSpec& action, size_t state_size);

  struct Row {
    size_t row = 0;                // of the batch
    HeadSpans heads;               // of this row alone
    std::span<const float> state;  // after this observation
  };

  // Runs each version on the rows that name it: `slots` says whose every row is
  // (LeagueSlots::Slot), 0 none. `observation` and `state` [rows, ...] are as
  // InferenceModel::Forward takes them, but are only read. A version that is not there leaves its
  // rows to the newest.
  absl::Status Act(std::span<const uint8_t> slots, std::span<const TensorView> observation,
                   std::span<const float> state);
  // What Act() last did, valid until it is called again.
  std::span<const Row> rows() const { return rows_; }

 private:
  // What one version is given and answers.
  struct Group {
    std::vector<size_t> rows;
    std::vector<std::vector<std::byte>> observation;
    std::vector<std::vector<int64_t>> shapes;
    std::vector<float> state, logits, mean, log_std, value;
  };
  void Gather(std::span<const TensorView> observation, std::span<const float> state, Group& group);
  absl::Status Forward(InferenceModel& model, std::span<const TensorView> observation,
                       Group& group);

  PastVersions* const versions_;
  const size_t choices_, reals_, state_size_;
  std::vector<Group> groups_;  // by slot
  std::vector<Row> rows_;
  std::vector<TensorView> views_;
};

}  // namespace millrace
