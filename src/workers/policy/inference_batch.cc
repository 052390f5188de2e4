#include "workers/policy/inference_batch.h"

#include <algorithm>
#include <cstring>

#include "core/activity.h"
#include "millrace/core/status.h"

namespace millrace {

HeadSpans InferenceBatch::Heads::Spans(size_t rows, const ActionSpec& action) {
  const size_t choices = static_cast<size_t>(action.num_choices());
  const size_t reals = static_cast<size_t>(action.continuous_size());
  logits.resize(rows * choices);
  mean.resize(rows * reals);
  log_std.resize(reals);
  value.resize(rows);
  return {logits, mean, log_std, value};
}

InferenceBatch::InferenceBatch(InferenceModel* model, const InferenceSpec& spec, uint64_t seed,
                               PastVersions* past)
    : model_(model),
      spec_(spec),
      request_layout_(spec.RequestLayout()),
      reply_layout_(spec.ReplyLayout()),
      seed_(seed),
      sampler_(spec.action),
      rows_each_(static_cast<size_t>(spec.rows)),
      state_size_(static_cast<size_t>(spec.state_size)) {
  const Schema& request = request_layout_.schema();
  mask_field_ = -1;
  for (const Field& field : spec.observation.fields) {
    observation_fields_.push_back(request.Find(ObservationField(field.name)));
    final_fields_.push_back(request.Find("final/" + field.name));
    if (field.name == kActionMask) mask_field_ = observation_fields_.back();
  }
  observation_.resize(observation_fields_.size());
  observation_shape_.resize(observation_fields_.size());
  flags_field_ = request.Find(kRowFlags);
  state_field_ = request.Find(kRecurrentState);
  const Schema& reply = reply_layout_.schema();
  discrete_field_ = reply.Find(kDiscreteAction);
  continuous_field_ = reply.Find(kContinuousAction);
  log_prob_field_ = reply.Find(kLogProb);
  value_field_ = reply.Find(kValue);
  final_value_field_ = reply.Find(kFinalValue);
  reply_state_field_ = reply.Find(kRecurrentState);
  if (past != nullptr) past_.emplace(past, spec.action, state_size_);
}

// The transport promises not to change a request while it is pending; views are writable by type
// only.
TensorView InferenceBatch::RequestField(int field, const PendingRequest& request) const {
  return request_layout_.View(field, const_cast<std::byte*>(request.payload));
}

std::span<const uint8_t> InferenceBatch::Flags(const PendingRequest& request) const {
  return RequestField(flags_field_, request).As<uint8_t>();
}

absl::Status InferenceBatch::Answer(std::span<const PendingRequest> requests, uint64_t version,
                                    RecurrentStates& states, std::vector<ReplyHeader>& headers) {
  const ActivityScope gather(Activity::kInferenceGather);
  headers.assign(requests.size(), ReplyHeader{});
  for (size_t i = 0; i < requests.size(); ++i) {
    headers[i].id = requests[i].header.id;
    headers[i].version = version;
  }
  GatherObservations(requests);
  GatherStates(requests, states, headers);
  MILLRACE_RETURN_IF_ERROR(AnswerFinalObservations(requests));
  const size_t rows = requests.size() * rows_each_;
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto flags = Flags(requests[i]);
    for (size_t row = 0; row < rows_each_ && state_size_ > 0; ++row) {
      if ((flags[row] & kRowFirst) == 0) continue;
      const auto begin =
          state_.begin() + static_cast<int64_t>((i * rows_each_ + row) * state_size_);
      std::fill(begin, begin + static_cast<int64_t>(state_size_), 0.0f);
    }
    if (state_size_ > 0 && (requests[i].header.flags & kWantState) != 0) {
      const TensorView out = reply_layout_.View(reply_state_field_, requests[i].reply);
      std::memcpy(out.data, state_.data() + i * rows_each_ * state_size_, out.bytes());
    }
  }
  views_.clear();
  for (size_t field = 0; field < observation_.size(); ++field) {
    observation_shape_[field] = request_layout_.shape(observation_fields_[field]);
    observation_shape_[field][0] = static_cast<int64_t>(rows);
    views_.push_back({spec_.observation.fields[field].dtype, observation_shape_[field],
                      observation_[field].data()});
  }
  EnterActivity(Activity::kInferenceForward);
  MILLRACE_RETURN_IF_ERROR(ActPast(requests));
  MILLRACE_RETURN_IF_ERROR(
      model_->Forward(static_cast<int>(rows), views_, state_, heads_.Spans(rows, spec_.action)));
  EnterActivity(Activity::kInferenceSample);
  for (size_t i = 0; i < requests.size(); ++i) WriteReply(requests[i], i * rows_each_);
  WritePastReplies(requests);
  ScatterStates(requests, states);
  return absl::OkStatus();
}

void InferenceBatch::GatherObservations(std::span<const PendingRequest> requests) {
  for (size_t field = 0; field < observation_.size(); ++field) {
    const size_t bytes = request_layout_.bytes(observation_fields_[field]);
    observation_[field].resize(requests.size() * bytes);
    for (size_t i = 0; i < requests.size(); ++i) {
      std::memcpy(observation_[field].data() + i * bytes,
                  RequestField(observation_fields_[field], requests[i]).data, bytes);
    }
  }
}

void InferenceBatch::GatherStates(std::span<const PendingRequest> requests, RecurrentStates& states,
                                  std::vector<ReplyHeader>& headers) {
  const size_t floats = rows_each_ * state_size_;
  state_.resize(requests.size() * floats);
  if (state_size_ == 0) return;
  for (size_t i = 0; i < requests.size(); ++i) {
    const RequestHeader& header = requests[i].header;
    float* const target = state_.data() + i * floats;
    if ((header.flags & kRestoreState) != 0) {
      std::memcpy(target, RequestField(state_field_, requests[i]).data, floats * sizeof(float));
      continue;
    }
    const auto* stored = states.Find({header.client, header.incarnation, header.group}, header.id);
    if (stored != nullptr) {
      std::copy(stored->begin(), stored->end(), target);
      continue;
    }
    std::fill(target, target + floats, 0.0f);
    const auto flags = Flags(requests[i]);
    const bool all_begin =
        std::all_of(flags.begin(), flags.end(), [](uint8_t row) { return (row & kRowFirst) != 0; });
    headers[i].state_reset = all_begin ? 0 : 1;
  }
}

// Values of the last observations of truncated episodes: few rows, so they go through the model one
// request at a time, with a copy of the state before the reset.
absl::Status InferenceBatch::AnswerFinalObservations(std::span<const PendingRequest> requests) {
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto flags = Flags(requests[i]);
    const bool any =
        std::any_of(flags.begin(), flags.end(), [](uint8_t row) { return (row & kRowFinal) != 0; });
    if (!any || requests[i].compact) continue;
    std::vector<TensorView> observation;
    for (int field : final_fields_) observation.push_back(RequestField(field, requests[i]));
    const auto begin = state_.begin() + static_cast<int64_t>(i * rows_each_ * state_size_);
    std::vector<float> state(begin, begin + static_cast<int64_t>(rows_each_ * state_size_));
    const ActivityScope forward(Activity::kInferenceForward);
    MILLRACE_RETURN_IF_ERROR(model_->Forward(spec_.rows, observation, state,
                                             final_heads_.Spans(rows_each_, spec_.action)));
    const auto out = reply_layout_.View(final_value_field_, requests[i].reply).As<float>();
    for (size_t row = 0; row < rows_each_; ++row) {
      out[row] = (flags[row] & kRowFinal) != 0 ? final_heads_.value[row] : 0.0f;
    }
  }
  return absl::OkStatus();
}

absl::Status InferenceBatch::ActPast(std::span<const PendingRequest> requests) {
  if (!past_.has_value()) return absl::OkStatus();
  slots_.assign(requests.size() * rows_each_, 0);
  for (size_t i = 0; i < requests.size(); ++i) {
    if ((requests[i].header.flags & kValueOnly) != 0) continue;
    const auto flags = Flags(requests[i]);
    for (size_t row = 0; row < rows_each_; ++row) {
      slots_[i * rows_each_ + row] = static_cast<uint8_t>(flags[row] >> kOpponentShift);
    }
  }
  return past_->Act(slots_, views_, state_);
}

void InferenceBatch::WritePastReplies(std::span<const PendingRequest> requests) {
  if (!past_.has_value()) return;
  for (const PastRows::Row& past : past_->rows()) {
    SampleRows(requests[past.row / rows_each_], past.row % rows_each_, 1, past.heads);
    std::ranges::copy(past.state, state_.begin() + static_cast<int64_t>(past.row * state_size_));
  }
}

void InferenceBatch::ScatterStates(std::span<const PendingRequest> requests,
                                   RecurrentStates& states) {
  if (state_size_ == 0) return;
  const size_t floats = rows_each_ * state_size_;
  for (size_t i = 0; i < requests.size(); ++i) {
    const RequestHeader& header = requests[i].header;
    const RecurrentStates::Key key{header.client, header.incarnation, header.group};
    if ((header.flags & kValueOnly) != 0) {
      states.Keep(key, header.id);
      continue;
    }
    states.Store(key, header.id, std::span(state_).subspan(i * floats, floats));
  }
}

void InferenceBatch::WriteReply(const PendingRequest& request, size_t first_row) {
  const auto value = reply_layout_.View(value_field_, request.reply).As<float>();
  std::copy_n(heads_.value.begin() + static_cast<int64_t>(first_row), rows_each_, value.begin());
  if ((request.header.flags & kValueOnly) != 0) return;

  const size_t choices = static_cast<size_t>(spec_.action.num_choices());
  const size_t reals = static_cast<size_t>(spec_.action.continuous_size());
  SampleRows(request, 0, rows_each_,
             {.logits = std::span(heads_.logits).subspan(first_row * choices),
              .mean = std::span(heads_.mean).subspan(first_row * reals),
              .log_std = heads_.log_std,
              .value = {}});
}

void InferenceBatch::SampleRows(const PendingRequest& request, size_t row, size_t rows,
                                const HeadSpans& heads) {
  const auto choices = static_cast<size_t>(spec_.action.num_choices());
  const auto parts = static_cast<size_t>(spec_.action.num_discrete());
  const auto reals = static_cast<size_t>(spec_.action.continuous_size());
  ActionSpans out;
  std::span<const uint8_t> mask;
  if (discrete_field_ >= 0) {
    out.discrete = reply_layout_.View(discrete_field_, request.reply).As<int32_t>();
    out.discrete = out.discrete.subspan(row * parts);
  }
  if (continuous_field_ >= 0) {
    out.continuous = reply_layout_.View(continuous_field_, request.reply).As<float>();
    out.continuous = out.continuous.subspan(row * reals);
  }
  if (mask_field_ >= 0) {
    mask = RequestField(mask_field_, request).As<uint8_t>().subspan(row * choices);
  }
  out.log_prob = reply_layout_.View(log_prob_field_, request.reply).As<float>().subspan(row);
  sampler_.Sample(static_cast<int>(rows), heads, mask,
                  {seed_, request.header.first_row + row, request.header.draw}, /*greedy=*/false,
                  out);
}

}  // namespace millrace
