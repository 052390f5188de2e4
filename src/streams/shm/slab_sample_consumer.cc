#include "streams/shm/slab_sample_consumer.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "millrace/core/status.h"

namespace millrace {
namespace {

// A received segment is known by its slot and its ordinal.
constexpr int kSlotBits = 20;
static_assert(SampleSlab::kMaxSlots == 1 << kSlotBits);

uint64_t MakeHandle(uint64_t word, int slot) {
  return SlotState::Unpack(word).ordinal << kSlotBits | static_cast<uint64_t>(slot);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SlabSampleConsumer>> SlabSampleConsumer::Create(
    const StreamContext& context, const SampleStreamSpec& spec, std::unique_ptr<SlabStore> store) {
  MILLRACE_ASSIGN_OR_RETURN(
      auto producers,
      PeerList::Create(context.names, PeerPrefix("sample", spec.policy, "producer"), context.bell));
  const Peer self{
      .index = context.index, .incarnation = context.incarnation, .bell = store->bell_address()};
  std::unique_ptr<SlabSampleConsumer> consumer(
      new SlabSampleConsumer(context, spec, std::move(store), std::move(producers)));
  MILLRACE_ASSIGN_OR_RETURN(
      consumer->announcement_,
      Announcement::Create(context.names, PeerPrefix("sample", spec.policy, "consumer"), self));
  return consumer;
}

SlabSampleConsumer::SlabSampleConsumer(const StreamContext& context, const SampleStreamSpec& spec,
                                       std::unique_ptr<SlabStore> store,
                                       std::unique_ptr<PeerList> producer_list)
    : spec_(spec),
      layout_(spec.schema, spec.extents),
      rank_(context.index),
      incarnation_(context.incarnation),
      store_(std::move(store)),
      producer_list_(std::move(producer_list)) {}

void SlabSampleConsumer::RefreshProducers() {
  if (!producer_list_->Update()) return;
  for (auto& [key, source] : sources_) source.connected = false;
  for (const Peer& peer : producer_list_->peers()) {
    const Key key{peer.index, peer.incarnation};
    if (rejected_.contains(key)) continue;
    if (const auto known = sources_.find(key); known != sources_.end()) {
      known->second.connected = true;
    } else {
      Attach(key, peer);
    }
  }
}

void SlabSampleConsumer::Attach(const Key& key, const Peer& peer) {
  auto slab = SampleSlab::Open(*store_, peer.slab, spec_, key.first, key.second);
  auto bell = store_->OpenBell(peer.bell);
  if (!slab.ok() || !bell.ok()) {
    spdlog::error("sample stream {}: refused producer {}.{}: {}", spec_.policy, key.first,
                  key.second, std::string((slab.ok() ? bell.status() : slab.status()).message()));
    rejected_.insert(key);
    return;
  }
  SampleSlabControl& control = slab->control();
  if (rank_ == 0 && control.granter.load() <= incarnation_) {
    control.granter.store(uint64_t{incarnation_} + 1);
  }
  Source source{.slab = *std::move(slab), .bell = *std::move(bell)};
  source.connected = true;
  source.granted_before = control.credits.pushed();
  source.taken.resize(static_cast<size_t>(source.slab.slots()), 0);
  sources_.emplace(key, std::move(source));
}

// The producer stores a slot's word before it raises `commits`, so every commit up to the value
// read here is seen by the loop. Later ones may be seen in part and wait for the next scan: an
// ordinal above `commits` is skipped, or segment n + 1 could overtake segment n.
void SlabSampleConsumer::Scan(Source& source) {
  const uint64_t commits = source.slab.control().commits.load();
  if (commits == source.scanned || source.forgotten) return;
  source.scanned = commits;
  std::vector<std::pair<uint64_t, int>> found;
  for (int slot = 0; slot < source.slab.slots(); ++slot) {
    const uint64_t word = source.slab.state(slot).load();
    const SlotState state = SlotState::Unpack(word);
    uint64_t& taken = source.taken[static_cast<size_t>(slot)];
    if (state.phase != SlotState::kCommitted || state.rank != rank_ || state.ordinal > commits ||
        taken == word) {
      continue;
    }
    taken = word;
    found.emplace_back(state.ordinal, slot);
  }
  std::sort(found.begin(), found.end());
  for (const auto& [ordinal, slot] : found) source.ready.push_back(slot);
}

bool SlabSampleConsumer::Matches(const SegmentHeader& header, const Source& source) const {
  return header.sequence > 0 && header.schema_hash == spec_.schema.hash() &&
         header.producer == source.slab.header().producer &&
         header.incarnation == source.slab.header().incarnation &&
         header.environments == static_cast<uint32_t>(spec_.environments) &&
         header.steps == spec_.extents.steps && header.rows == spec_.extents.rows &&
         header.chunks == spec_.extents.chunks &&
         header.snapshot_bytes <= spec_.snapshot_capacity && header.credit.rank == rank_;
}

std::optional<DropReason> SlabSampleConsumer::Fault(const SegmentHeader& header,
                                                    const Source& source, int slot) const {
  if (!Matches(header, source)) return DropReason::kSchema;
  if (header.payload_crc == 0) return std::nullopt;  // not computed
  const uint32_t crc = SegmentCrc({source.slab.payload(slot), layout_.total_bytes()},
                                  {source.slab.snapshot(slot), header.snapshot_bytes});
  return crc == header.payload_crc ? std::nullopt : std::optional(DropReason::kCrc);
}

std::optional<ReceivedSegment> SlabSampleConsumer::TakeReady(const Key& key, Source& source) {
  while (!source.ready.empty()) {
    const int slot = source.ready.front();
    source.ready.pop_front();
    const SegmentHeader header = *source.slab.segment(slot);
    const std::optional<DropReason> fault = Fault(header, source, slot);
    if (!fault) {
      ++source.in_hand;
      return ReceivedSegment{.header = header,
                             .payload = source.slab.payload(slot),
                             .snapshot = {source.slab.snapshot(slot), header.snapshot_bytes},
                             .handle = MakeHandle(source.taken[static_cast<size_t>(slot)], slot)};
    }
    spdlog::error("sample stream {}: refused segment {} of producer {}.{}: its {} damaged",
                  spec_.policy, header.sequence, key.first, key.second,
                  *fault == DropReason::kCrc ? "bytes are" : "header is");
    refused_.push_back({.producer = key.first,
                        .incarnation = key.second,
                        .sequence = header.sequence,
                        .env_steps_each = source.slab.header().env_steps_each,
                        .reason = *fault,
                        .credit = header.credit});
    Free(source, slot);
  }
  return std::nullopt;
}

std::optional<ReceivedSegment> SlabSampleConsumer::Receive() {
  RefreshProducers();
  for (auto& [key, source] : sources_) Scan(source);
  // One producer after the other, so that none starves.
  auto next = sources_.upper_bound(last_served_);
  for (size_t i = 0; i < sources_.size(); ++i, ++next) {
    if (next == sources_.end()) next = sources_.begin();
    if (auto segment = TakeReady(next->first, next->second)) {
      last_served_ = next->first;
      return segment;
    }
  }
  return std::nullopt;
}

// The word is exchanged, not stored: if an older incarnation of this rank is still running and has
// disposed of the segment, the slot may belong to a later segment by now.
void SlabSampleConsumer::Free(Source& source, int slot) {
  uint64_t word = std::exchange(source.taken[static_cast<size_t>(slot)], 0);
  if (source.slab.state(slot).compare_exchange_strong(word, SlotState{}.Pack())) {
    source.bell->Ring();
  }
}

void SlabSampleConsumer::Dispose(const ReceivedSegment& segment) {
  const auto found = sources_.find({segment.header.producer, segment.header.incarnation});
  if (found == sources_.end()) return;
  Source& source = found->second;
  const int slot = static_cast<int>(segment.handle & ((1 << kSlotBits) - 1));
  const uint64_t taken = source.taken[static_cast<size_t>(slot)];
  if (taken == 0 || segment.handle >> kSlotBits != SlotState::Unpack(taken).ordinal) {
    return;  // disposed of before
  }
  Free(source, slot);
  --source.in_hand;
  if (source.forgotten && source.in_hand == 0) sources_.erase(found);
}

std::vector<ProducerStatus> SlabSampleConsumer::Producers() {
  RefreshProducers();
  std::vector<ProducerStatus> statuses;
  for (const auto& [key, source] : sources_) {
    if (!source.connected) continue;
    const SampleSlabControl& control = source.slab.control();
    const uint64_t wanted = std::max(control.wanted.load(), source.granted_before);
    statuses.push_back({.producer = key.first,
                        .incarnation = key.second,
                        .wanted = wanted - source.granted_before,
                        .granted = control.credits.pushed() - source.granted_before,
                        .env_steps_each = source.slab.header().env_steps_each});
  }
  return statuses;
}

bool SlabSampleConsumer::Grant(uint32_t producer, uint32_t incarnation, const Credit& credit) {
  RefreshProducers();
  const auto found = sources_.find({producer, incarnation});
  if (rank_ != 0 || found == sources_.end() || !found->second.connected) return false;
  SampleSlabControl& control = found->second.slab.control();
  // A successor has taken over: this process is a zombie.
  if (control.granter.load() != uint64_t{incarnation_} + 1) return false;
  if (!control.credits.Push(credit)) return false;
  found->second.bell->Ring();
  return true;
}

void SlabSampleConsumer::Forget(uint32_t producer, uint32_t incarnation) {
  const Key key{producer, incarnation};
  rejected_.insert(key);
  if (rank_ == 0) {
    store_->Remove(store_->Address(SlabName("sample", spec_.policy, producer, incarnation)));
  }
  const auto found = sources_.find(key);
  if (found == sources_.end()) return;
  if (found->second.in_hand == 0) {
    sources_.erase(found);
    return;
  }
  found->second.connected = false;
  found->second.forgotten = true;
  found->second.ready.clear();
}

}  // namespace millrace
