#include "streams/shm/slab_sample_producer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"

namespace millrace {

absl::StatusOr<std::unique_ptr<SlabSampleProducer>> SlabSampleProducer::Create(
    const StreamContext& context, const SampleStreamSpec& spec, int slots,
    std::unique_ptr<SlabStore> store) {
  const std::string name = SlabName("sample", spec.policy, context.index, context.incarnation);
  MILLRACE_ASSIGN_OR_RETURN(
      SampleSlab slab,
      SampleSlab::Create(*store, name, spec, static_cast<uint32_t>(std::max(slots, 0)),
                         context.index, context.incarnation));
  MILLRACE_ASSIGN_OR_RETURN(
      auto consumers,
      PeerList::Create(context.names, PeerPrefix("sample", spec.policy, "consumer"), context.bell));
  const Peer self{.index = context.index,
                  .incarnation = context.incarnation,
                  .slab = store->Address(name),
                  .bell = store->bell_address()};
  std::unique_ptr<SlabSampleProducer> producer(new SlabSampleProducer(
      context, spec, std::move(store), std::move(slab), std::move(consumers)));
  MILLRACE_ASSIGN_OR_RETURN(
      producer->announcement_,
      Announcement::Create(context.names, PeerPrefix("sample", spec.policy, "producer"), self));
  return producer;
}

SlabSampleProducer::SlabSampleProducer(const StreamContext& context, const SampleStreamSpec& spec,
                                       std::unique_ptr<SlabStore> store, SampleSlab slab,
                                       std::unique_ptr<PeerList> consumer_list)
    : spec_(spec),
      layout_(spec.schema, spec.extents),
      ledger_(context.ledger),
      store_(std::move(store)),
      slab_name_(SlabName("sample", spec.policy, context.index, context.incarnation)),
      slab_(std::move(slab)),
      consumer_list_(std::move(consumer_list)) {}

SlabSampleProducer::~SlabSampleProducer() {
  if (unacknowledged() == 0) store_->Remove(store_->Address(slab_name_));
}

void SlabSampleProducer::RefreshConsumers() {
  if (!consumer_list_->Update()) return;
  std::map<uint32_t, Consumer> now;
  for (const Peer& peer : consumer_list_->peers()) {
    if (auto known = consumers_.find(peer.index);
        known != consumers_.end() && known->second.peer == peer) {
      now[peer.index] = std::move(known->second);
      continue;
    }
    auto bell = store_->OpenBell(peer.bell);
    if (!bell.ok()) {
      spdlog::warn("cannot wake consumer {} of sample stream {}: {}", peer.index, spec_.policy,
                   std::string(bell.status().message()));
      continue;
    }
    (*bell)->Ring();  // it may have missed what was committed or wanted before it was seen here
    now[peer.index] = {peer, *std::move(bell)};
  }
  consumers_ = std::move(now);
}

void SlabSampleProducer::Ring(uint32_t rank) {
  RefreshConsumers();
  if (const auto found = consumers_.find(rank); found != consumers_.end()) {
    found->second.bell->Ring();
  }
}

void SlabSampleProducer::Want(int count) {
  MILLRACE_CHECK(count >= 0, "Want of a negative number");
  slab_.control().wanted.fetch_add(static_cast<uint64_t>(count));
  Ring(0);
}

std::optional<Credit> SlabSampleProducer::TryCredit() {
  RefreshConsumers();
  CreditRing& credits = slab_.control().credits;
  if (const auto newest = credits.Newest()) {
    newest_epoch_ = std::max(newest_epoch_, newest->epoch);
  }
  int skipped = 0;
  std::optional<Credit> credit = credits.Pop();
  for (; credit.has_value() && credit->epoch < newest_epoch_; credit = credits.Pop()) ++skipped;
  if (skipped > 0) Want(skipped);  // a void credit has satisfied nobody
  return credit;
}

std::optional<OpenSegment> SlabSampleProducer::Begin(const Credit& credit) {
  // The lowest free one: memory is touched only as far as it is needed.
  for (int slot = 0; slot < slab_.slots(); ++slot) {
    if (slab_.state(slot).load() != SlotState{}.Pack()) continue;
    slab_.state(slot).store(SlotState{.phase = SlotState::kOpen}.Pack());
    return OpenSegment{.slot = slot,
                       .payload = slab_.payload(slot),
                       .snapshot = slab_.snapshot(slot),
                       .credit = credit};
  }
  return std::nullopt;
}

absl::StatusOr<SlabSampleProducer::Lane*> SlabSampleProducer::FindLane(uint32_t rank) {
  if (rank >= SlotState::kMaxRanks) {
    return absl::InvalidArgumentError(absl::StrCat("rank of a credit: expected less than ",
                                                   SlotState::kMaxRanks, ", got ", rank));
  }
  if (const auto found = lanes_.find(rank); found != lanes_.end()) return &found->second;
  Lane lane;
  if (ledger_ != nullptr) {
    MILLRACE_ASSIGN_OR_RETURN(
        lane.ledger_lane,
        ledger_->AddLane(spec_.policy, rank, spec_.env_steps_each(), spec_.agent_steps_each()));
  }
  return &lanes_.emplace(rank, lane).first->second;
}

uint64_t SlabSampleProducer::NextSequence(Lane& lane) {
  return ledger_ != nullptr ? ledger_->Commit(lane.ledger_lane) : ++lane.committed;
}

SegmentHeader SlabSampleProducer::Complete(SegmentHeader header, const Credit& credit,
                                           uint64_t sequence) const {
  header.sequence = sequence;
  header.schema_hash = spec_.schema.hash();
  header.producer = slab_.header().producer;
  header.incarnation = slab_.header().incarnation;
  header.environments = static_cast<uint32_t>(spec_.environments);
  header.steps = spec_.extents.steps;
  header.rows = spec_.extents.rows;
  header.chunks = spec_.extents.chunks;
  header.credit = credit;
  return header;
}

// Killed between the ledger's commit and the store to `commits`, the producer leaves a segment that
// counts as produced and never arrives: the lane's closing counts it as lost with its producer.
absl::Status SlabSampleProducer::Commit(const OpenSegment& segment, SegmentHeader header) {
  MILLRACE_CHECK(SlotState::Unpack(slab_.state(segment.slot).load()).phase == SlotState::kOpen,
                 "Commit of a segment that is not open");
  if (header.snapshot_bytes > spec_.snapshot_capacity) {
    return absl::InvalidArgumentError(absl::StrCat("snapshot of a segment: expected at most ",
                                                   spec_.snapshot_capacity, " bytes, got ",
                                                   header.snapshot_bytes));
  }
  MILLRACE_ASSIGN_OR_RETURN(Lane * lane, FindLane(segment.credit.rank));
  header.payload_crc = spec_.checksum ? SegmentCrc({segment.payload, layout_.total_bytes()},
                                                   {segment.snapshot, header.snapshot_bytes})
                                      : 0;
  *slab_.segment(segment.slot) = Complete(header, segment.credit, NextSequence(*lane));
  const SlotState committed{
      .phase = SlotState::kCommitted, .rank = segment.credit.rank, .ordinal = ++commits_};
  slab_.state(segment.slot).store(committed.Pack());
  slab_.control().commits.store(commits_);
  Ring(segment.credit.rank);
  return absl::OkStatus();
}

void SlabSampleProducer::Abandon(const OpenSegment& segment) {
  MILLRACE_CHECK(SlotState::Unpack(slab_.state(segment.slot).load()).phase == SlotState::kOpen,
                 "Abandon of a segment that is not open");
  slab_.state(segment.slot).store(SlotState{}.Pack());
}

int SlabSampleProducer::unacknowledged() const {
  int count = 0;
  for (int slot = 0; slot < slab_.slots(); ++slot) {
    const SlotState state = SlotState::Unpack(slab_.state(slot).load());
    count += state.phase == SlotState::kCommitted ? 1 : 0;
  }
  return count;
}

}  // namespace millrace
