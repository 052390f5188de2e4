#include "workers/policy/past_rows.h"

#include <algorithm>
#include <cstring>

#include "config/limits.h"
#include "millrace/core/status.h"

namespace millrace {

PastRows::PastRows(PastVersions* versions, const ActionSpec& action, size_t state_size)
    : versions_(versions),
      choices_(static_cast<size_t>(action.num_choices())),
      reals_(static_cast<size_t>(action.continuous_size())),
      state_size_(state_size),
      groups_(kMaxOpponents + 1) {}

absl::Status PastRows::Act(std::span<const uint8_t> slots, std::span<const TensorView> observation,
                           std::span<const float> state) {
  rows_.clear();
  for (Group& group : groups_) group.rows.clear();
  for (size_t row = 0; row < slots.size(); ++row) {
    if (slots[row] != 0) groups_[slots[row]].rows.push_back(row);
  }
  for (size_t slot = 1; slot < groups_.size(); ++slot) {
    Group& group = groups_[slot];
    if (group.rows.empty()) continue;
    InferenceModel* const model = versions_->Model(static_cast<uint8_t>(slot));
    if (model == nullptr) continue;
    Gather(observation, state, group);
    MILLRACE_RETURN_IF_ERROR(Forward(*model, observation, group));
  }
  return absl::OkStatus();
}

void PastRows::Gather(std::span<const TensorView> observation, std::span<const float> state,
                      Group& group) {
  const size_t rows = group.rows.size();
  group.observation.resize(observation.size());
  group.shapes.resize(observation.size());
  group.state.resize(rows * state_size_);
  for (size_t field = 0; field < observation.size(); ++field) {
    const TensorView& from = observation[field];
    const size_t bytes = from.bytes() / static_cast<size_t>(from.shape[0]);
    group.observation[field].resize(rows * bytes);
    group.shapes[field].assign(from.shape.begin(), from.shape.end());
    group.shapes[field][0] = static_cast<int64_t>(rows);
    for (size_t i = 0; i < rows; ++i) {
      std::memcpy(group.observation[field].data() + i * bytes, from.data + group.rows[i] * bytes,
                  bytes);
    }
  }
  for (size_t i = 0; i < rows; ++i) {
    std::ranges::copy(state.subspan(group.rows[i] * state_size_, state_size_),
                      group.state.begin() + static_cast<int64_t>(i * state_size_));
  }
}

absl::Status PastRows::Forward(InferenceModel& model, std::span<const TensorView> observation,
                               Group& group) {
  const size_t rows = group.rows.size();
  group.logits.resize(rows * choices_);
  group.mean.resize(rows * reals_);
  group.log_std.resize(reals_);
  group.value.resize(rows);
  views_.clear();
  for (size_t field = 0; field < observation.size(); ++field) {
    views_.push_back(
        {observation[field].dtype, group.shapes[field], group.observation[field].data()});
  }
  MILLRACE_RETURN_IF_ERROR(model.Forward(static_cast<int>(rows), views_, group.state,
                                         {group.logits, group.mean, group.log_std, group.value}));
  for (size_t i = 0; i < rows; ++i) {
    rows_.push_back({.row = group.rows[i],
                     .heads = {.logits = std::span(group.logits).subspan(i * choices_, choices_),
                               .mean = std::span(group.mean).subspan(i * reals_, reals_),
                               .log_std = group.log_std,
                               .value = std::span(group.value).subspan(i, 1)},
                     .state = std::span(group.state).subspan(i * state_size_, state_size_)});
  }
  return absl::OkStatus();
}

}  // namespace millrace
