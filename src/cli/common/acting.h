// A model that acts on made-up observations: what is measured where inference is.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "millrace/core/rng.h"
#include "millrace/inference/action_sampler.h"

namespace millrace {

// Reals are normal, integers 0 or 1.
void DrawValues(DType dtype, std::span<std::byte> values, Rng& rng);

// A model with everything that one call needs, for a batch of `rows`. Bound to one thread.
class Acting {
 public:
  // Weights are normal, with a deviation of 0.1, statistics of normalisers 1; observations are as
  // DrawValues() makes them.
  Acting(std::unique_ptr<InferenceModel> model, const ObservationSpec& observation, int rows);

  // Forward pass and sampling of all rows.
  absl::Status Act();
  const InferenceModel& model() const { return *model_; }
  int rows() const { return rows_; }

 private:
  void DrawObservations(const ObservationSpec& observation, Rng& rng);
  absl::Status DrawWeights(Rng& rng);

  const std::unique_ptr<InferenceModel> model_;
  const int rows_;
  std::vector<std::vector<int64_t>> shapes_;
  std::vector<std::vector<std::byte>> data_;
  std::vector<TensorView> views_;
  std::vector<float> state_, logits_, mean_, log_std_, value_, log_prob_;
  std::vector<int32_t> discrete_;
  std::vector<float> continuous_;
  ActionSampler sampler_;
  absl::Status loaded_;
  uint64_t draw_ = 0;
};

}  // namespace millrace
