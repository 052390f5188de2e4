#include "workers/trainer/sample_intake.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "core/thread_name.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr auto kRound = std::chrono::milliseconds(20);
constexpr size_t kReadyBatches = 2;

using nlohmann::json;

// "closed/producer/3/1" -> {3, 1}.
std::optional<std::pair<uint32_t, uint32_t>> ParseClosedKey(const std::string& key) {
  uint32_t index = 0, incarnation = 0;
  if (std::sscanf(key.c_str(), "closed/producer/%u/%u", &index, &incarnation) != 2)
    return std::nullopt;
  return std::pair{index, incarnation};
}

uint64_t CommittedInLane(const std::string& value, const std::string& policy, int rank) {
  const json record = json::parse(value, nullptr, /*allow_exceptions=*/false);
  if (!record.is_object() || !record.contains("lanes")) return 0;
  for (const json& lane : record["lanes"]) {
    if (lane.value("stream", "") == policy && lane.value("rank", -1) == rank) {
      return lane.value("committed", uint64_t{0});
    }
  }
  return 0;
}

// A batch is ordered by group; lanes are marked in the order of their sequences, so that the window
// of LaneMark moves.
std::vector<const ReceivedSegment*> InOrderOfSequence(
    const std::vector<ReceivedSegment>& segments) {
  std::vector<const ReceivedSegment*> ordered;
  for (const ReceivedSegment& segment : segments) ordered.push_back(&segment);
  std::ranges::sort(ordered, {},
                    [](const ReceivedSegment* segment) { return segment->header.sequence; });
  return ordered;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SampleIntake>> SampleIntake::Create(
    const SampleIntakeOptions& options, const StreamContext& context, const ConsumerState& state) {
  std::unique_ptr<SampleIntake> intake(new SampleIntake(options, context, state));
  {
    MutexLock lock(intake->mutex_);
    MILLRACE_ASSIGN_OR_RETURN(intake->consumer_,
                              MakeSampleConsumer(options.transport, context, options.spec));
  }
  MILLRACE_RETURN_IF_ERROR(context.names->Watch("closed/producer/", context.bell));
  MILLRACE_RETURN_IF_ERROR(intake->ranks_.Watch(context.bell));
  SampleIntake* self = intake.get();
  intake->thread_ = std::jthread([self](const std::stop_token& stop) { self->Run(stop); });
  return intake;
}

SampleIntake::SampleIntake(SampleIntakeOptions options, const StreamContext& context,
                           const ConsumerState& state)
    : options_(std::move(options)),
      segments_per_rank_(options_.plan.segments_per_batch / options_.plan.ranks),
      names_(context.names),
      ranks_(names_, options_.policy, options_.rank, options_.plan.ranks),
      bell_(context.bell),
      ledger_(context.ledger),
      state_(std::make_unique<ConsumerState>(state)),
      granter_(options_.plan) {
  for (size_t i = 0; i < state_->num_lanes; ++i) {
    const LaneMark& lane = state_->lanes[i];
    if (lane.closed != 0) closed_.insert({lane.producer, lane.incarnation});
  }
}

SampleIntake::~SampleIntake() {
  thread_.request_stop();
  bell_->Ring();
}

void SampleIntake::Run(const std::stop_token& stop) {
  SetThreadName("intake");
  ActivityTimer timer(Activity::kIntakeReceive);
  timer.PublishTo(&ledger_->activities());
  while (!stop.stop_requested()) {
    const uint32_t seen = bell_->Value();
    if (!main_waits_) {
      MutexLock lock(mutex_);
      Round();
    }
    const ActivityScope idle(Activity::kIntakeIdle);
    bell_->Wait(seen, After(kRound));
  }
}

void SampleIntake::Round() {
  if (epoch_ == 0 && !draining_) return;
  ReceiveAll();
  TakeRefused();
  HandleClosedProducers();
  TellReturned();
  GrantCredits();
  CompleteBatches();
  FlushDrops();
}

void SampleIntake::ReceiveAll() {
  while (auto segment = consumer_->Receive()) Take(*segment);
}

void SampleIntake::Take(const ReceivedSegment& segment) {
  const SegmentHeader& header = segment.header;
  const LaneKey key{header.producer, header.incarnation};
  const LaneMark* mark = state_->FindLane(key.first, key.second);
  if (mark != nullptr && mark->Contains(header.sequence)) {
    state_->redelivered.Add(1, options_.spec.env_steps_each());
    dirty_ = true;
    to_dispose_.push_back(segment);
    return;
  }
  if (header.credit.epoch > epoch_ && !draining_) {
    early_.push_back(segment);  // of a group that this rank has not joined yet
    return;
  }
  if (const auto reason = ReasonToDrop(segment)) {
    Drop(segment, *reason);
    if (*reason != DropReason::kLostProducer) ReturnCredit(key, header.credit);
    return;
  }
  granter_.Fulfilled(key, header.credit);
  ++received_[key][{header.credit.batch, granter_.PlaceOf(header.credit)}];
  held_[header.credit.batch].push_back(segment);
}

// Rank 0 grants it again; another rank tells it to.
void SampleIntake::ReturnCredit(LaneKey key, const Credit& credit) {
  if (draining_ || credit.epoch != epoch_ || credit.batch < next_batch_) return;
  if (options_.rank == 0) {
    granter_.Fulfilled(key, credit);
    granter_.Return(key, credit);
  } else {
    ++returned_[{credit.batch, granter_.PlaceOf(credit)}];
    ++received_[key][{credit.batch, granter_.PlaceOf(credit)}];
    returned_changed_ = true;
  }
}

void SampleIntake::TellReturned() {
  if (!returned_changed_) return;
  returned_changed_ = !ranks_.TellReturned(epoch_, returned_).ok();
}

void SampleIntake::HearReturned() {
  const uint64_t revision = names_->revision();
  if (revision == returned_seen_) return;
  returned_seen_ = revision;
  for (const auto& [place, count] : ranks_.Returned(epoch_)) {
    int& heard = returned_heard_[place];
    for (; heard < count; ++heard) granter_.Return(granter_.Make(place.first, place.second));
  }
}

std::optional<DropReason> SampleIntake::ReasonToDrop(const ReceivedSegment& segment) const {
  const SegmentHeader& header = segment.header;
  if (draining_) return DropReason::kDrained;
  if (header.credit.epoch != epoch_) return DropReason::kLostConsumer;
  if (header.credit.batch < next_batch_) return DropReason::kStale;
  // Its credits have been granted to somebody else already.
  const auto lost = lost_.find({header.producer, header.incarnation});
  if (lost != lost_.end() && lost->second.credits_released) return DropReason::kLostProducer;
  const uint64_t version = VersionOf(header.credit.batch);
  const uint64_t lag = version > header.version_min ? version - header.version_min : 0;
  if (lag > static_cast<uint64_t>(options_.plan.max_policy_lag)) return DropReason::kStale;
  if (!AllFinite(segment, consumer_->layout())) return DropReason::kNonfinite;
  return std::nullopt;
}

void SampleIntake::Drop(const ReceivedSegment& segment, DropReason reason) {
  const SegmentHeader& header = segment.header;
  if (reason == DropReason::kNonfinite) {
    spdlog::warn("segment {} of producer {}.{} holds a number that is not finite: dropped",
                 header.sequence, header.producer, header.incarnation);
  }
  to_dispose_.push_back(segment);
  dirty_ = true;
  LaneMark* mark = state_->Lane(header.producer, header.incarnation);
  if (mark == nullptr || !mark->Mark(header.sequence)) {
    spdlog::error("segment {} of producer {}.{} cannot be accounted for", header.sequence,
                  header.producer, header.incarnation);
    return;
  }
  state_->Drop(reason, 1, options_.spec.env_steps_each());
}

void SampleIntake::TakeRefused() {
  for (const RefusedSegment& refused : consumer_->TakeRefused()) {
    LaneMark* mark = state_->Lane(refused.producer, refused.incarnation);
    if (mark == nullptr || !mark->Mark(refused.sequence)) continue;
    state_->Drop(refused.reason, 1, options_.spec.env_steps_each());
    dirty_ = true;
    ReturnCredit({refused.producer, refused.incarnation}, refused.credit);
    spdlog::warn("segment {} of producer {}.{} refused: {}", refused.sequence, refused.producer,
                 refused.incarnation, Name(refused.reason));
  }
}

// A producer is gone for good once the controller has published its last counts.
void SampleIntake::HandleClosedProducers() {
  const uint64_t revision = names_->revision();
  if (revision != names_seen_) {
    names_seen_ = revision;
    for (const NameEntry& entry : names_->List("closed/producer/")) {
      const auto key = ParseClosedKey(entry.key);
      if (!key.has_value() || closed_.contains(*key) || lost_.contains(*key)) continue;
      lost_[*key].committed = CommittedInLane(entry.value, options_.policy, options_.rank);
      ReceiveAll();
    }
  }
  for (auto it = lost_.begin(); it != lost_.end();) {
    ReleaseCreditsOf(it->first);
    const bool credits_settled = draining_ || options_.rank != 0 || it->second.credits_released;
    if (!credits_settled || pending_ || Holds(it->first)) {
      ++it;
      continue;
    }
    CloseLane(it->first, it->second.committed);
    closed_.insert(it->first);
    it = lost_.erase(it);
  }
}

// What a dead producer was granted and did not deliver is granted to somebody else. Rank 0 learns
// from the other ranks what they have received.
void SampleIntake::ReleaseCreditsOf(LaneKey key) {
  Lost& lost = lost_[key];
  if (lost.credits_released) return;
  if (options_.rank != 0) {
    lost.credits_released = ranks_.TellReceived(key, received_[key]).ok();
  } else if (const auto received = ranks_.Received(key)) {
    granter_.ProducerLost(key, *received);
    lost.credits_released = true;
  }
}

bool SampleIntake::Holds(LaneKey key) const {
  if (const auto found = in_training_.find(key); found != in_training_.end() && found->second > 0) {
    return true;
  }
  const auto of_lane = [key](const ReceivedSegment& segment) {
    return LaneKey{segment.header.producer, segment.header.incarnation} == key;
  };
  return std::ranges::any_of(early_, of_lane) || std::ranges::any_of(held_, [&](const auto& batch) {
           return std::ranges::any_of(batch.second, of_lane);
         });
}

void SampleIntake::CloseLane(LaneKey key, uint64_t committed) {
  const LaneMark* known = state_->FindLane(key.first, key.second);
  if (known != nullptr || committed > 0) {
    LaneMark* mark = state_->Lane(key.first, key.second);
    MILLRACE_CHECK(mark != nullptr, "more producers than the ledger can hold");
    const uint64_t missing = committed > mark->count() ? committed - mark->count() : 0;
    if (missing > 0) {
      state_->Drop(draining_ ? DropReason::kDrained : DropReason::kLostProducer, missing,
                   options_.spec.env_steps_each());
      spdlog::warn("producer {}.{} is gone with {} segments that never arrived", key.first,
                   key.second, missing);
    }
    mark->contiguous = std::max(mark->contiguous, committed);
    mark->beyond = {};
    mark->closed = 1;
    dirty_ = true;
  }
  received_.erase(key);
  FlushDrops();
  consumer_->Forget(key.first, key.second);
}

void SampleIntake::GrantCredits() {
  if (options_.rank != 0 || draining_) return;
  if (options_.plan.ranks > 1) HearReturned();
  for (const auto& grant : granter_.Next(consumer_->Producers())) {
    if (!consumer_->Grant(grant.producer.first, grant.producer.second, grant.credit)) {
      granter_.Undo(grant);
    }
  }
}

void SampleIntake::CompleteBatches() {
  while (!draining_) {
    const auto held = held_.find(next_batch_);
    if (held == held_.end() || static_cast<int64_t>(held->second.size()) < segments_per_rank_ ||
        ready_.size() >= kReadyBatches) {
      return;
    }
    std::vector<ReceivedSegment> segments = std::move(held->second);
    held_.erase(held);
    while (static_cast<int64_t>(segments.size()) > segments_per_rank_) {
      Drop(segments.back(), DropReason::kStale);  // one that was granted again came after all
      segments.pop_back();
    }
    SampleBatch batch =
        AssembleBatch(epoch_, next_batch_, std::move(segments), consumer_->layout());
    for (const ReceivedSegment& segment : batch.segments) {
      ++in_training_[{segment.header.producer, segment.header.incarnation}];
    }
    ++next_batch_;
    ready_.push_back(std::move(batch));
  }
}

void SampleIntake::DropBatch(const SampleBatch& batch, DropReason reason) {
  for (const ReceivedSegment* segment : InOrderOfSequence(batch.segments)) {
    --in_training_[{segment->header.producer, segment->header.incarnation}];
    Drop(*segment, reason);
  }
}

// Everything received and not yet handed to the main thread.
void SampleIntake::DropReadyBatches(DropReason reason) {
  for (const SampleBatch& batch : std::exchange(ready_, {})) DropBatch(batch, reason);
  for (const auto& [number, segments] : held_) {
    for (const ReceivedSegment* segment : InOrderOfSequence(segments)) Drop(*segment, reason);
  }
  held_.clear();
  if (reason != DropReason::kDrained) return;
  for (const ReceivedSegment& segment : std::exchange(early_, {})) Drop(segment, reason);
}

// Ledger first, slots second. While a batch is being trained its pending record is based on the
// present state, so drops wait until it is decided.
void SampleIntake::FlushDrops() {
  if (pending_ || !dirty_) return;
  ledger_->Commit(*state_);
  dirty_ = false;
  for (const ReceivedSegment& segment : to_dispose_) consumer_->Dispose(segment);
  to_dispose_.clear();
}

ConsumerState SampleIntake::StateAfter(const SampleBatch& batch, uint64_t next_version) const {
  ConsumerState next = *state_;
  const uint32_t env_steps = options_.spec.env_steps_each();
  next.last_batch = {};
  for (const ReceivedSegment* segment : InOrderOfSequence(batch.segments)) {
    LaneMark* mark = next.Lane(segment->header.producer, segment->header.incarnation);
    MILLRACE_CHECK(mark != nullptr, "more producers than the ledger can hold");
    if (mark->Mark(segment->header.sequence)) {
      next.trained.Add(1, env_steps);
      next.last_batch.Add(1, env_steps);
    } else {
      next.duplicates.Add(1, env_steps);
    }
  }
  next.batch = batch.number + 1;
  next.train_steps += 1;
  next.epoch = batch.epoch;
  next.policy_version = std::max(next.policy_version, next_version);
  return next;
}

void SampleIntake::Begin(uint64_t epoch, uint64_t batch, uint64_t version) {
  const ActivityScope scope(Activity::kIntakeCalls);
  MutexLock lock(mutex_);
  DropReadyBatches(DropReason::kLostConsumer);
  received_.clear();
  returned_.clear();
  returned_heard_.clear();
  returned_changed_ = false;
  returned_seen_ = 0;
  epoch_ = epoch;
  first_batch_ = next_batch_ = batch;
  first_version_ = version;
  pending_ = false;
  state_->epoch = epoch;
  state_->policy_version = std::max(state_->policy_version, version);
  dirty_ = true;
  FlushDrops();
  granter_.Begin(epoch, batch, version);
  for (const ReceivedSegment& segment : std::exchange(early_, {})) Take(segment);
}

absl::StatusOr<SampleBatch> SampleIntake::Next(Deadline deadline) {
  const ActivityScope scope(Activity::kIntakeCalls);
  main_waits_ = true;
  absl::StatusOr<SampleBatch> next = absl::DeadlineExceededError("no batch is complete yet");
  while (true) {
    const uint32_t seen = bell_->Value();
    {
      MutexLock lock(mutex_);
      Round();
      if (!ready_.empty()) {
        next = std::move(ready_.front());
        ready_.pop_front();
        break;
      }
    }
    if (Expired(deadline)) break;
    const ActivityScope waiting(Activity::kWaitSamples);
    bell_->Wait(seen, std::min(deadline, After(kRound)));
  }
  main_waits_ = false;
  bell_->Ring();  // the intake thread goes on
  return next;
}

void SampleIntake::SetPending(const SampleBatch& batch) {
  const ActivityScope scope(Activity::kIntakeCalls);
  MutexLock lock(mutex_);
  FlushDrops();
  pending_ = true;
  ledger_->SetPending(StateAfter(batch, VersionOf(batch.number + 1)));
}

void SampleIntake::Commit(SampleBatch batch, uint64_t next_version) {
  const ActivityScope scope(Activity::kIntakeCalls);
  MutexLock lock(mutex_);
  const uint64_t version = VersionOf(batch.number);
  *state_ = StateAfter(batch, next_version);
  pending_ = false;
  dirty_ = true;
  for (const ReceivedSegment& segment : batch.segments) {
    --in_training_[{segment.header.producer, segment.header.incarnation}];
    to_dispose_.push_back(segment);
    const uint64_t lag =
        version > segment.header.version_min ? version - segment.header.version_min : 0;
    ledger_->Add(Counter::kLagSum, lag);
    ledger_->Add(Counter::kLagCount, 1);
    ledger_->SetMax(Counter::kLagMax, lag);
  }
  FlushDrops();
}

void SampleIntake::Discard(SampleBatch batch) {
  MutexLock lock(mutex_);
  ledger_->ClearPending();
  pending_ = false;
  DropBatch(batch, DropReason::kLostConsumer);
  FlushDrops();
}

void SampleIntake::Advance(uint64_t batch) {
  const ActivityScope scope(Activity::kIntakeCalls);
  MutexLock lock(mutex_);
  granter_.Advance(batch);
  for (auto& [lane, places] : received_) {
    std::erase_if(places, [batch](const auto& entry) { return entry.first.first < batch; });
  }
  GrantCredits();
}

void SampleIntake::Drain(Deadline deadline) {
  {
    MutexLock lock(mutex_);
    draining_ = true;
    DropReadyBatches(DropReason::kDrained);
    FlushDrops();
  }
  bool all_closed = false;
  while (!all_closed && !Expired(deadline)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    MutexLock lock(mutex_);
    all_closed = lost_.empty() && consumer_->Producers().empty();
    for (size_t i = 0; i < state_->num_lanes; ++i) {
      all_closed = all_closed && state_->lanes[i].closed != 0;
    }
  }
  if (!all_closed) spdlog::warn("drained with producers that have not been closed");
}

ConsumerState SampleIntake::State() {
  MutexLock lock(mutex_);
  return *state_;
}

}  // namespace millrace
