// Answers a batch of inference requests with one forward pass.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "millrace/inference/action_sampler.h"
#include "streams/inference_stream.h"
#include "workers/policy/past_rows.h"
#include "workers/policy/recurrent_states.h"

namespace millrace {

// Gathers the rows of all requests, runs the model once (once more for the rare last observations
// of truncated episodes), draws the actions and scatters the answers. Buffers are kept between
// batches. Bound to one thread.
class InferenceBatch {
 public:
  // `past`: the versions that act in rows whose flags name them (kOpponentShift); may be null, then
  // the newest acts everywhere. Models and versions outlive it.
  InferenceBatch(InferenceModel* model, const InferenceSpec& spec, uint64_t seed,
                 PastVersions* past = nullptr);

  // Fills every request's reply; `headers[i]` answers requests[i].
  absl::Status Answer(std::span<const PendingRequest> requests, uint64_t version,
                      RecurrentStates& states, std::vector<ReplyHeader>& headers);

 private:
  struct Heads {
    std::vector<float> logits, mean, log_std, value;
    HeadSpans Spans(size_t rows, const ActionSpec& action);
  };

  void GatherObservations(std::span<const PendingRequest> requests);
  void GatherStates(std::span<const PendingRequest> requests, RecurrentStates& states,
                    std::vector<ReplyHeader>& headers);
  absl::Status AnswerFinalObservations(std::span<const PendingRequest> requests);
  // Before the newest version's forward pass, which replaces the states.
  absl::Status ActPast(std::span<const PendingRequest> requests);
  void WritePastReplies(std::span<const PendingRequest> requests);
  void ScatterStates(std::span<const PendingRequest> requests, RecurrentStates& states);
  void WriteReply(const PendingRequest& request, size_t first_row);
  // Draws the actions of `rows` rows from row `row` of the request on.
  void SampleRows(const PendingRequest& request, size_t row, size_t rows, const HeadSpans& heads);
  std::span<const uint8_t> Flags(const PendingRequest& request) const;
  TensorView RequestField(int field, const PendingRequest& request) const;

  InferenceModel* const model_;
  const InferenceSpec spec_;
  const Layout request_layout_;
  const Layout reply_layout_;
  const uint64_t seed_;
  ActionSampler sampler_;
  const size_t rows_each_;
  const size_t state_size_;

  // Field indices, looked up once; -1 if absent.
  std::vector<int> observation_fields_, final_fields_;
  int flags_field_, state_field_, mask_field_;
  int discrete_field_, continuous_field_, log_prob_field_, value_field_, final_value_field_,
      reply_state_field_;

  std::vector<std::vector<std::byte>> observation_;  // per field, all rows
  std::vector<std::vector<int64_t>> observation_shape_;
  std::vector<TensorView> views_;  // of observation_, for the model
  std::vector<float> state_;       // [rows, state_size]
  Heads heads_, final_heads_;
  std::optional<PastRows> past_;
  std::vector<uint8_t> slots_;  // who acts in each row
};

}  // namespace millrace
