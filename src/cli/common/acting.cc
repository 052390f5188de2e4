#include "cli/common/acting.h"

#include <utility>

#include "millrace/core/status.h"

namespace millrace {

void DrawValues(DType dtype, std::span<std::byte> values, Rng& rng) {
  const size_t bytes = SizeOf(dtype);
  for (size_t i = 0; i < values.size() / bytes; ++i) {
    if (dtype == DType::kFloat32) {
      reinterpret_cast<float*>(values.data())[i] = static_cast<float>(rng.Normal());
    } else if (dtype == DType::kFloat64) {
      reinterpret_cast<double*>(values.data())[i] = rng.Normal();
    } else {
      values[i * bytes] = static_cast<std::byte>(rng.Below(2));  // little-endian
    }
  }
}

Acting::Acting(std::unique_ptr<InferenceModel> model, const ObservationSpec& observation, int rows)
    : model_(std::move(model)),
      rows_(rows),
      state_(static_cast<size_t>(rows * model_->state_size())),
      logits_(static_cast<size_t>(rows * model_->action().num_choices())),
      mean_(static_cast<size_t>(rows * model_->action().continuous_size())),
      log_std_(static_cast<size_t>(model_->action().continuous_size())),
      value_(static_cast<size_t>(rows)),
      log_prob_(static_cast<size_t>(rows)),
      discrete_(static_cast<size_t>(rows * model_->action().num_discrete())),
      continuous_(mean_.size()),
      sampler_(model_->action()) {
  Rng rng(/*seed=*/1, /*stream=*/0);
  DrawObservations(observation, rng);
  loaded_ = DrawWeights(rng);
}

void Acting::DrawObservations(const ObservationSpec& observation, Rng& rng) {
  for (const Field& field : observation.fields) {
    std::vector<int64_t>& shape = shapes_.emplace_back(field.shape);
    shape.insert(shape.begin(), rows_);
    const auto size = static_cast<size_t>(NumElements(shape));
    std::vector<std::byte>& data = data_.emplace_back(size * SizeOf(field.dtype));
    DrawValues(field.dtype, data, rng);
  }
  for (size_t i = 0; i < data_.size(); ++i) {
    views_.push_back({observation.fields[i].dtype, shapes_[i], data_[i].data()});
  }
}

absl::Status Acting::DrawWeights(Rng& rng) {
  std::vector<float> weights(model_->layout().num_floats(), 1.0F);
  for (size_t i = 0; i < model_->layout().num_trainable(); ++i) {
    weights[i] = static_cast<float>(0.1 * rng.Normal());
  }
  return model_->LoadParameters(std::as_bytes(std::span(weights)));
}

absl::Status Acting::Act() {
  MILLRACE_RETURN_IF_ERROR(loaded_);
  const HeadSpans heads{logits_, mean_, log_std_, value_};
  MILLRACE_RETURN_IF_ERROR(model_->Forward(rows_, views_, state_, heads));
  sampler_.Sample(rows_, heads, {}, {.seed = 1, .counter = draw_++}, /*greedy=*/false,
                  {discrete_, continuous_, log_prob_});
  return absl::OkStatus();
}

}  // namespace millrace
