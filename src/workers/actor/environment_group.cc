#include "workers/actor/environment_group.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/activity.h"
#include "env/guarded.h"
#include "millrace/core/status.h"
#include "workers/actor/row_episodes.h"
#include "workers/actor/snapshot_codec.h"
#include "workers/common/clip_to_box.h"

namespace millrace {

namespace {

void CopyBytes(const TensorView& from, const TensorView& to) {
  std::memcpy(to.data, from.data, from.bytes());
}

// A user's environment returns what it likes, but only one code means something to whoever reads
// it: that somebody must edit something. kCancelled, for one, would end the actor as if in order.
absl::Status FromEnvironment(const absl::Status& status) {
  if (status.ok() || status.code() == absl::StatusCode::kInvalidArgument) return status;
  return absl::InternalError(std::string(status.message()));
}

}  // namespace

struct EnvironmentGroup::PolicyPart {
  PolicyStreams* streams = nullptr;
  int rows = 0;
  Layout sample_layout;

  // Views into the request slab, constant for the life of the inference client.
  std::vector<TensorView> observation;
  std::vector<TensorView> final_observation;
  std::span<uint8_t> request_flags;
  std::span<float> request_state;
  std::vector<std::string> observation_names;  // "observation/x", as in the sample schema

  // What the environments read and write.
  std::vector<int32_t> discrete;
  std::vector<float> continuous;
  std::vector<float> reward;
  std::vector<uint8_t> terminated, truncated, first, present;

  std::optional<RowEpisodes> episodes;

  // The segment being filled and the one that comes next.
  std::optional<OpenSegment> open;
  std::optional<OpenSegment> next_open;
  std::optional<Credit> next_credit;
  SegmentHeader header;
  std::vector<float> saved_state;  // recurrent state at the segment's end (snapshots)

  std::optional<Reply> reply;

  TensorView Sample(std::string_view field) const {
    return sample_layout.View(field, open->payload);
  }
  TensorView ReplyField(std::string_view field) const {
    return streams->inference->reply_layout().View(field, reply->payload);
  }
  bool HasSampleField(std::string_view field) const {
    return sample_layout.schema().Find(field) >= 0;
  }
};

EnvironmentGroup::EnvironmentGroup(GroupOptions options,
                                   std::unique_ptr<VectorEnvironment> environment,
                                   AgentPolicies agents, std::vector<PolicyStreams>* policies,
                                   Ledger* ledger)
    : options_(options),
      environment_(std::move(environment)),
      agent_policies_(std::move(agents)),
      policies_(policies),
      ledger_(ledger),
      statistics_(environment_->spec().statistics.size()),
      draw_(options.first_draw) {
  for (PolicyStreams& streams : *policies_) {
    auto part = std::make_unique<PolicyPart>();
    part->streams = &streams;
    part->rows = streams.rows;
    part->sample_layout = streams.samples->layout();
    const size_t rows = static_cast<size_t>(streams.rows);
    const Layout& request = streams.inference->request_layout();
    std::byte* payload = streams.inference->RequestPayload(options_.index);
    for (const Field& field : streams.agents.observation.fields) {
      part->observation_names.push_back(ObservationField(field.name));
      part->observation.push_back(request.View(part->observation_names.back(), payload));
      part->final_observation.push_back(request.View("final/" + field.name, payload));
    }
    part->request_flags = request.View(kRowFlags, payload).As<uint8_t>();
    if (streams.contract.state_size > 0) {
      part->request_state = request.View(kRecurrentState, payload).As<float>();
      part->saved_state.resize(part->request_state.size());
    }
    part->discrete.resize(rows * static_cast<size_t>(streams.agents.action.num_discrete()));
    part->continuous.resize(rows * static_cast<size_t>(streams.agents.action.continuous_size()));
    part->reward.resize(rows);
    part->terminated.resize(rows);
    part->truncated.resize(rows);
    part->first.resize(rows);
    part->present.resize(rows);
    std::optional<Opponents> opponents;
    if (streams.league.has_value()) {
      if (!league_.has_value()) league_.emplace(options_.environments);
      opponents.emplace(*streams.league, streams.agents.teams, options_.environments, options_.seed,
                        streams.policy_index, options_.first_slot);
    }
    part->episodes.emplace(rows, static_cast<size_t>(streams.agents.agents), streams.policy_index,
                           std::move(opponents));
    unroll_ = streams.contract.unroll;
    parts_.push_back(std::move(part));
  }
  for (const auto& part : parts_) {
    rows_.push_back({.observation = part->observation,
                     .final_observation = part->final_observation,
                     .discrete = part->discrete,
                     .continuous = part->continuous,
                     .reward = part->reward,
                     .terminated = part->terminated,
                     .truncated = part->truncated,
                     .first = part->first,
                     .present = part->present});
  }
}

EnvironmentGroup::~EnvironmentGroup() = default;

absl::Status EnvironmentGroup::Start(const std::string& snapshot) {
  parts_.front()->streams->samples->Want(1);
  if (!snapshot.empty()) return Restore(snapshot);
  MILLRACE_RETURN_IF_ERROR(FromEnvironment(Guarded("environment", [&] {
    return environment_->Reset(options_.seed, options_.first_slot, agent_policies_, rows_);
  })));
  DrawOpponents();
  return absl::OkStatus();
}

absl::StatusOr<bool> EnvironmentGroup::Advance(bool others_parked) {
  if (state_ == State::kParked) return TryStartSegments();
  if (!ReadNextReplies()) return false;
  MILLRACE_RETURN_IF_ERROR(state_ == State::kActing ? OnActions(others_parked) : OnBootstrap());
  for (auto& part : parts_) part->reply.reset();
  if (state_ == State::kParked) MILLRACE_RETURN_IF_ERROR(TryStartSegments().status());
  return true;
}

// A segment needs a credit of every policy. Demand for the next policy's credit is posted only with
// the one before it in hand, so all policies grant to the same groups: otherwise one policy's
// credits could end up with one actor and the other's with another, and neither batch would ever be
// complete.
bool EnvironmentGroup::ReserveNext() {
  for (size_t p = 0; p < parts_.size(); ++p) {
    PolicyPart& part = *parts_[p];
    if (!part.next_credit.has_value()) {
      part.next_credit = options_.deterministic
                             ? part.streams->TakeCreditInTurn(options_.index, options_.groups)
                             : part.streams->TakeCredit();
      if (!part.next_credit.has_value()) return false;
      if (p + 1 < parts_.size()) parts_[p + 1]->streams->samples->Want(1);
    }
    if (!part.next_open.has_value()) {
      part.next_open = part.streams->samples->Begin(*part.next_credit);
      if (!part.next_open.has_value()) return false;
    }
  }
  return true;
}

absl::StatusOr<bool> EnvironmentGroup::TryStartSegments() {
  if (!ReserveNext()) return false;
  OpenSegments();
  state_ = State::kActing;
  MILLRACE_RETURN_IF_ERROR(PostRequests(/*value_only=*/false));
  return true;
}

void EnvironmentGroup::OpenSegments() {
  step_ = 0;
  for (auto& part : parts_) {
    part->open = std::exchange(part->next_open, std::nullopt);
    part->next_credit.reset();
    part->header = SegmentHeader{};
    part->header.group = static_cast<uint32_t>(options_.index);
    part->header.version_min = UINT64_MAX;
  }
  // Demand for the segment after this one: with a policy lag allowed its credit comes while this
  // one runs.
  parts_.front()->streams->samples->Want(1);
  RecordObservations(0);
}

bool EnvironmentGroup::ReadNextReplies() {
  bool all = true;
  for (auto& part : parts_) {
    if (!part->reply.has_value()) {
      part->reply = part->streams->inference->TryReply(options_.index);
    }
    all = all && part->reply.has_value();
  }
  return all;
}

absl::Status EnvironmentGroup::PostRequests(bool value_only) {
  for (auto& part : parts_) {
    const auto slots = part->episodes->slots();
    for (size_t row = 0; row < part->request_flags.size(); ++row) {
      uint8_t flags = 0;
      if (part->first[row] != 0) flags |= kRowFirst;
      if (part->truncated[row] != 0) flags |= kRowFinal;
      if (part->present[row] == 0) flags |= kRowAbsent;
      if (!slots.empty()) flags |= static_cast<uint8_t>(slots[row] << kOpponentShift);
      part->request_flags[row] = flags;
    }
    RequestHeader header;
    const PolicyContract& contract = part->streams->contract;
    const bool recurrent = contract.state_size > 0;
    const bool at_chunk = recurrent && contract.chunk > 0 && step_ % contract.chunk == 0;
    if (value_only) header.flags |= kValueOnly;
    if (at_chunk || (recurrent && value_only)) header.flags |= kWantState;
    if (recurrent && restore_state_) header.flags |= kRestoreState;
    // A segment that begins with this request must come from the version its credit names.
    const bool begins = !value_only && (step_ == 0 || step_ == unroll_);
    const Credit* credit = step_ == unroll_ && part->next_credit.has_value() ? &*part->next_credit
                           : part->open.has_value()                          ? &part->open->credit
                                                                             : nullptr;
    if (begins && credit != nullptr) header.min_version = credit->min_version;
    header.first_row = (static_cast<uint64_t>(part->streams->policy_index) << 48) +
                       options_.first_slot * static_cast<uint64_t>(part->streams->agents.agents);
    header.draw = draw_;
    MILLRACE_RETURN_IF_ERROR(part->streams->inference->Post(options_.index, header));
  }
  return absl::OkStatus();
}

absl::Status EnvironmentGroup::OnActions(bool others_parked) {
  restore_state_ = false;
  if (step_ > 0 && std::any_of(parts_.begin(), parts_.end(), [](const auto& part) {
        return part->reply->header.state_reset != 0;
      })) {
    return OnLostState();
  }
  EnterActivity(Activity::kRecord);
  if (step_ > 0) RecordFinalValues(step_ - 1);
  if (step_ == unroll_) {
    // The reply both closes the full segment and begins the next one.
    MILLRACE_RETURN_IF_ERROR(FinishSegments());
    OpenSegments();
  }
  RecordReplies(step_);
  ++draw_;
  MILLRACE_RETURN_IF_ERROR(StepEnvironments());
  MILLRACE_RETURN_IF_ERROR(RecordOutcomes(step_));
  ++step_;
  RecordObservations(step_);
  EnterActivity(Activity::kStreams);
  if (step_ < unroll_) return PostRequests(/*value_only=*/false);

  // A deterministic run ends every segment at a quiet point, where a snapshot can be taken.
  const bool go_on = !options_.deterministic && !others_parked && ReserveNext();
  state_ = go_on ? State::kActing : State::kBootstrapping;
  return PostRequests(/*value_only=*/!go_on);
}

// The steps so far cannot be replayed by the trainer, because they began in a state that is gone.
// The action in hand is taken unrecorded, and the segment starts again at the next observation,
// whose request asks for the state.
absl::Status EnvironmentGroup::OnLostState() {
  ledger_->Add(Counter::kStateResets, 1);
  ledger_->Add(Counter::kDiscardedSteps,
               static_cast<uint64_t>(step_ + 1) * static_cast<uint64_t>(options_.environments));
  if (step_ == unroll_) step_ = unroll_ - 1;
  RecordReplies(step_);
  ++draw_;
  MILLRACE_RETURN_IF_ERROR(StepEnvironments());
  step_ = 0;
  for (auto& part : parts_) {
    part->header.version_min = UINT64_MAX;
    part->header.version_max = 0;
  }
  RecordObservations(0);
  EnterActivity(Activity::kStreams);
  return PostRequests(/*value_only=*/false);
}

absl::Status EnvironmentGroup::OnBootstrap() {
  RecordFinalValues(step_ - 1);
  for (auto& part : parts_) {
    if (part->saved_state.empty()) continue;
    const auto state = part->ReplyField(kRecurrentState).As<float>();
    std::copy(state.begin(), state.end(), part->saved_state.begin());
  }
  MILLRACE_RETURN_IF_ERROR(FinishSegments());
  // The value-only request has answered for the episodes that were cut off; it must not be asked
  // again.
  for (auto& part : parts_) std::fill(part->truncated.begin(), part->truncated.end(), uint8_t{0});
  state_ = State::kParked;
  return absl::OkStatus();
}

absl::Status EnvironmentGroup::FinishSegments() {
  std::string snapshot;
  if (options_.deterministic) snapshot = Snapshot();
  for (auto& part : parts_) {
    // value [T+1]: the last row bootstraps the unfinished tail.
    const auto value = part->ReplyField(kValue);
    CopyBytes(value, part->Sample("value")[unroll_]);
    if (part->header.version_min == UINT64_MAX) part->header.version_min = 0;
    if (!snapshot.empty() && part == parts_.front()) {  // one policy's segments carry it for all
      std::memcpy(part->open->snapshot, snapshot.data(), snapshot.size());
      part->header.snapshot_bytes = static_cast<uint32_t>(snapshot.size());
    }
    MILLRACE_RETURN_IF_ERROR(part->streams->samples->Commit(*part->open, part->header));
    part->open.reset();
  }
  return absl::OkStatus();
}

void EnvironmentGroup::RecordObservations(int step) {
  for (auto& part : parts_) {
    for (size_t i = 0; i < part->observation.size(); ++i) {
      CopyBytes(part->observation[i], part->Sample(part->observation_names[i])[step]);
    }
    std::memcpy(part->Sample("first")[step].data, part->first.data(), part->first.size());
    const TensorView present = part->Sample("present")[step];
    std::memcpy(present.data, part->present.data(), part->present.size());
    const auto slots = part->episodes->slots();
    for (size_t row = 0; row < slots.size(); ++row) {
      if (slots[row] != 0) present.As<uint8_t>()[row] = 0;  // not to be trained
    }
  }
}

void EnvironmentGroup::RecordReplies(int step) {
  for (auto& part : parts_) {
    const PolicyContract& contract = part->streams->contract;
    const uint64_t version = part->reply->header.version;
    part->header.version_min = std::min(part->header.version_min, version);
    part->header.version_max = std::max(part->header.version_max, version);
    part->Sample("version").As<int64_t>()[static_cast<size_t>(step)] =
        static_cast<int64_t>(version);
    CopyBytes(part->ReplyField(kLogProb), part->Sample("log_prob")[step]);
    CopyBytes(part->ReplyField(kValue), part->Sample("value")[step]);
    if (!part->discrete.empty()) {
      const TensorView action = part->ReplyField(kDiscreteAction);
      CopyBytes(action, part->Sample(kDiscreteAction)[step]);
      std::memcpy(part->discrete.data(), action.data, action.bytes());
    }
    if (!part->continuous.empty()) {
      const TensorView action = part->ReplyField(kContinuousAction);
      CopyBytes(action, part->Sample(kContinuousAction)[step]);
      ClipToBox(part->streams->agents.action, action.As<float>(), part->continuous);
    }
    if (contract.chunk > 0 && step % contract.chunk == 0) {
      CopyBytes(part->ReplyField(kRecurrentState), part->Sample("state")[step / contract.chunk]);
    }
  }
}

absl::Status EnvironmentGroup::StepEnvironments() {
  EnterActivity(Activity::kEnvironment);
  const absl::Status status =
      FromEnvironment(Guarded("environment", [&] { return environment_->Step(rows_); }));
  EnterActivity(Activity::kRecord);
  ledger_->Add(Counter::kEnvSteps, static_cast<uint64_t>(options_.environments));
  if (!status.ok()) return status;
  TrackEpisodes();
  TrackStatistics();
  return absl::OkStatus();
}

absl::Status EnvironmentGroup::RecordOutcomes(int step) {
  for (auto& part : parts_) {
    std::memcpy(part->Sample("reward")[step].data, part->reward.data(),
                part->reward.size() * sizeof(float));
    std::memcpy(part->Sample("terminated")[step].data, part->terminated.data(),
                part->terminated.size());
    std::memcpy(part->Sample("truncated")[step].data, part->truncated.data(),
                part->truncated.size());
    const TensorView truncation_value = part->Sample("truncation_value")[step];
    std::memset(truncation_value.data, 0, truncation_value.bytes());
    if (part->streams->extra_fields.empty()) continue;
    StepView view;
    for (const Field& field : part->sample_layout.schema().fields()) {
      if (field.extent == Extent::kSteps || field.extent == Extent::kStepsAndBootstrap) {
        view.fields.emplace(field.name, part->Sample(field.name)[step]);
      }
    }
    for (const SampleField* extra : part->streams->extra_fields) {
      MILLRACE_RETURN_IF_ERROR(Guarded("sample field \"" + extra->field.name + "\"", [&] {
        extra->compute(view, part->Sample(extra->field.name)[step]);
        return absl::OkStatus();
      }));
    }
  }
  return absl::OkStatus();
}

// The reply to step + 1 brings the values of the episodes that were cut off at `step`.
void EnvironmentGroup::RecordFinalValues(int step) {
  for (auto& part : parts_) {
    const auto final_value = part->ReplyField(kFinalValue).As<float>();
    const auto target = part->Sample("truncation_value")[step].As<float>();
    for (size_t row = 0; row < target.size(); ++row) {
      if ((part->request_flags[row] & kRowFinal) != 0) target[row] = final_value[row];
    }
  }
}

void EnvironmentGroup::TrackEpisodes() {
  LeagueScore* const score = league_.has_value() ? &league_->score : nullptr;
  for (size_t p = 0; p < parts_.size(); ++p) {
    PolicyPart& part = *parts_[p];
    part.episodes->Count(rows_[p], part.request_flags, *ledger_, score);
  }
  DrawOpponents();
}

// For the episodes that begin with the observations at hand.
void EnvironmentGroup::DrawOpponents() {
  if (!league_.has_value()) return;
  EpisodeBegins& begins = league_->begins;
  begins.Clear();
  for (auto& part : parts_) begins.Add(part->first, part->present);
  for (size_t environment = 0; environment < begins.size(); ++environment) {
    if (begins[environment]) league_->score.Finish(environment);
  }
  for (auto& part : parts_) {
    const uint64_t version = part->reply.has_value() ? part->reply->header.version : 0;
    part->episodes->DrawOpponents(begins, version, draw_);
  }
}

void EnvironmentGroup::TrackStatistics() {
  if (league_.has_value()) {
    const LeagueScore::Total score = league_->score.Take();
    if (score.episodes > 0) ledger_->AddStatistic(statistics_.size(), score.won, score.episodes);
  }
  if (statistics_.empty()) return;
  std::ranges::fill(statistics_, StatisticSum());
  environment_->TakeStatistics(statistics_);
  for (size_t i = 0; i < statistics_.size(); ++i) {
    if (statistics_[i].count == 0) continue;
    ledger_->AddStatistic(i, statistics_[i].sum, statistics_[i].count);
  }
}

void EnvironmentGroup::Abandon() {
  for (auto& part : parts_) {
    for (auto* slot : {&part->open, &part->next_open}) {
      if (slot->has_value()) part->streams->samples->Abandon(**slot);
      slot->reset();
    }
  }
  state_ = State::kParked;
}

std::string EnvironmentGroup::Snapshot() const {
  SnapshotWriter writer;
  const auto environment = environment_->SaveState();
  writer.Add(environment.ok() ? *environment : std::string());
  writer.Add(std::string(reinterpret_cast<const char*>(&draw_), sizeof(draw_)));
  for (const auto& part : parts_) {
    writer.AddVector(part->first);
    writer.AddVector(part->present);
    part->episodes->Save(writer);
    writer.AddVector(part->saved_state);
  }
  return writer.Take();
}

absl::Status EnvironmentGroup::Restore(const std::string& snapshot) {
  SnapshotReader reader(snapshot);
  MILLRACE_ASSIGN_OR_RETURN(const std::string environment, reader.Next());
  MILLRACE_ASSIGN_OR_RETURN(const std::string draw, reader.Next());
  if (draw.size() != sizeof(draw_)) return absl::DataLossError("group snapshot: bad counter");
  MILLRACE_RETURN_IF_ERROR(environment_->RestoreState(environment, options_.seed,
                                                      options_.first_slot, agent_policies_, rows_));
  std::memcpy(&draw_, draw.data(), sizeof(draw_));
  for (auto& part : parts_) {
    MILLRACE_RETURN_IF_ERROR(reader.NextVector(part->first));
    MILLRACE_RETURN_IF_ERROR(reader.NextVector(part->present));
    MILLRACE_RETURN_IF_ERROR(part->episodes->Restore(reader));
    MILLRACE_RETURN_IF_ERROR(reader.NextVector(part->saved_state));
    std::copy(part->saved_state.begin(), part->saved_state.end(), part->request_state.begin());
    restore_state_ = restore_state_ || !part->saved_state.empty();
  }
  return absl::OkStatus();
}

}  // namespace millrace
