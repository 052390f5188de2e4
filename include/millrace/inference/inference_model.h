// A policy as the acting side sees it: weights in, head outputs out. Implemented natively for the
// built-in models (no LibTorch) and by models/ for a user's own LibTorch module.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/data/spaces.h"
#include "millrace/data/tensor_view.h"
#include "millrace/inference/model_spec.h"

namespace millrace {

// Where Forward() writes; each row-major with `rows` rows.
struct HeadSpans {
  std::span<float> logits;   // [rows, num_choices]
  std::span<float> mean;     // [rows, continuous_size]
  std::span<float> log_std;  // [continuous_size]: the same for all rows
  std::span<float> value;    // [rows], in reward units (already de-normalised)
};

// Bound to one thread. A row's result does not depend on the other rows of the call.
class InferenceModel {
 public:
  virtual ~InferenceModel() = default;
  virtual const ActionSpec& action() const = 0;
  virtual int64_t state_size() const = 0;
  // Of all parameters, as checkpoints have them.
  virtual const ParameterLayout& layout() const = 0;
  // Of what the trainer publishes; unless its backend packs weights (Backend::Publish()), the
  // weight blob.
  virtual size_t weight_bytes() const { return layout().bytes(); }
  virtual uint64_t layout_hash() const { return layout().hash(); }
  // Replaces the weights by published ones. kInvalidArgument if the size is wrong, kDataLoss if the
  // bytes cannot be weights.
  virtual absl::Status Load(std::span<const std::byte> blob) = 0;
  // The same from the weight blob.
  virtual absl::Status LoadParameters(std::span<const std::byte> blob) { return Load(blob); }
  // observation: one view [rows, ...] per field in spec order. state [rows, state_size]: read, and
  // replaced by the state after this observation.
  virtual absl::Status Forward(int rows, std::span<const TensorView> observation,
                               std::span<float> state, const HeadSpans& heads) = 0;
};

absl::StatusOr<std::unique_ptr<InferenceModel>> MakeNativeModel(const ModelSpec& spec);

// The key of a row's random draws: the same action for the same key, whatever the batch.
struct DrawKey {
  uint64_t seed = 0;
  uint64_t row = 0;      // run-wide number of the row
  uint64_t counter = 0;  // step within the row
};

// One row of ActionSampler (action_sampler.h), which is what to use for many. Writes discrete
// [num_discrete] and continuous [continuous_size]; returns the log-probability (density) of the
// whole action.
//   logits [num_choices], mean and log_std [continuous_size], mask [num_choices] or empty
float SampleAction(const ActionSpec& action, std::span<const float> logits,
                   std::span<const float> mean, std::span<const float> log_std,
                   std::span<const uint8_t> mask, const DrawKey& key, bool greedy,
                   std::span<int32_t> discrete, std::span<float> continuous);

}  // namespace millrace
