#include "streams/zmq/sample_producer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"
#include "streams/zmq/message.h"

namespace millrace {
namespace {

constexpr auto kHelloInterval = std::chrono::milliseconds(500);
constexpr auto kByeLinger = std::chrono::milliseconds(100);

}  // namespace

absl::StatusOr<std::unique_ptr<ZmqSampleProducer>> ZmqSampleProducer::Create(
    const StreamContext& context, const SampleStreamSpec& spec, int slots) {
  if (slots < 1 || slots > kMaxSlots) {
    return absl::InvalidArgumentError(
        absl::StrCat("slots of a sample producer: expected 1 to ", kMaxSlots, ", got ", slots));
  }
  std::unique_ptr<ZmqSampleProducer> producer(new ZmqSampleProducer(context, spec, slots));
  MILLRACE_RETURN_IF_ERROR(context.names->Watch(producer->prefix_, nullptr));
  MILLRACE_ASSIGN_OR_RETURN(producer->loop_, ZmqLoop::Start("zmq-sample-out", *producer));
  return producer;
}

ZmqSampleProducer::ZmqSampleProducer(const StreamContext& context, const SampleStreamSpec& spec,
                                     int slots)
    : spec_(spec),
      layout_(spec.schema, spec.extents),
      index_(context.index),
      incarnation_(context.incarnation),
      prefix_(absl::StrCat("sample/", spec.policy, "/consumer/")),
      names_(context.names),
      bell_(context.bell),
      ledger_(context.ledger),
      codec_(MakeObservationCodec(layout_, spec.observations)),
      slots_(static_cast<size_t>(slots)) {
  for (Slot& slot : slots_) {
    slot.buffer = AlignedBuffer(layout_.total_bytes() + spec_.snapshot_capacity);
  }
}

ZmqSampleProducer::~ZmqSampleProducer() { loop_.reset(); }

void ZmqSampleProducer::Want(int count) {
  MILLRACE_CHECK(count >= 0, "Want of a negative number");
  {
    MutexLock lock(mutex_);
    wanted_ += static_cast<uint64_t>(count);
    want_due_ = true;
  }
  loop_->Wake();
}

std::optional<Credit> ZmqSampleProducer::TryCredit() {
  int skipped = 0;
  std::optional<Credit> credit;
  {
    MutexLock lock(mutex_);
    while (!credits_.empty() && !credit) {
      if (credits_.front().epoch < newest_epoch_) {
        ++skipped;
      } else {
        credit = credits_.front();
      }
      credits_.pop_front();
    }
  }
  if (skipped > 0) Want(skipped);  // a void credit has satisfied nobody
  return credit;
}

std::optional<OpenSegment> ZmqSampleProducer::Begin(const Credit& credit) {
  MutexLock lock(mutex_);
  Lane& lane = lanes_[credit.rank];
  if (!lane.outbox.HasRoom(lane.open)) return std::nullopt;
  const auto free = std::find_if(slots_.begin(), slots_.end(),
                                 [](const Slot& slot) { return slot.phase == Phase::kFree; });
  if (free == slots_.end()) return std::nullopt;
  free->phase = Phase::kOpen;
  free->rank = credit.rank;
  ++lane.open;
  return OpenSegment{.slot = static_cast<int>(free - slots_.begin()),
                     .payload = free->buffer.data(),
                     .snapshot = free->buffer.data() + layout_.total_bytes(),
                     .credit = credit};
}

absl::StatusOr<uint64_t> ZmqSampleProducer::NextSequence(uint32_t rank, Lane& lane) {
  if (ledger_ == nullptr) return ++lane.committed;
  if (lane.ledger_lane < 0) {
    MILLRACE_ASSIGN_OR_RETURN(
        lane.ledger_lane,
        ledger_->AddLane(spec_.policy, rank, spec_.env_steps_each(), spec_.agent_steps_each()));
  }
  return ledger_->Commit(lane.ledger_lane);
}

SegmentHeader ZmqSampleProducer::Complete(SegmentHeader header, const Credit& credit,
                                          uint64_t sequence) const {
  header.sequence = sequence;
  header.schema_hash = spec_.schema.hash();
  header.producer = index_;
  header.incarnation = incarnation_;
  header.environments = static_cast<uint32_t>(spec_.environments);
  header.steps = spec_.extents.steps;
  header.rows = spec_.extents.rows;
  header.chunks = spec_.extents.chunks;
  header.credit = credit;
  header.payload_crc = 0;  // computed when it is sent first
  return header;
}

absl::Status ZmqSampleProducer::Commit(const OpenSegment& segment, SegmentHeader header) {
  if (header.snapshot_bytes > spec_.snapshot_capacity) {
    return absl::InvalidArgumentError(absl::StrCat("snapshot of a segment: expected at most ",
                                                   spec_.snapshot_capacity, " bytes, got ",
                                                   header.snapshot_bytes));
  }
  const uint32_t rank = segment.credit.rank;
  if (rank >= kMaxRanks) {
    return absl::InvalidArgumentError(
        absl::StrCat("rank of a credit: expected less than ", kMaxRanks, ", got ", rank));
  }
  {
    MutexLock lock(mutex_);
    Slot& slot = slots_[static_cast<size_t>(segment.slot)];
    MILLRACE_CHECK(slot.phase == Phase::kOpen, "Commit of a segment that is not open");
    Lane& lane = lanes_[rank];
    MILLRACE_ASSIGN_OR_RETURN(const uint64_t sequence, NextSequence(rank, lane));
    slot.header = Complete(header, segment.credit, sequence);
    slot.phase = Phase::kCommitted;
    --lane.open;
    lane.outbox.Add(sequence, segment.slot);
  }
  loop_->Wake();
  return absl::OkStatus();
}

void ZmqSampleProducer::Abandon(const OpenSegment& segment) {
  MutexLock lock(mutex_);
  Slot& slot = slots_[static_cast<size_t>(segment.slot)];
  MILLRACE_CHECK(slot.phase == Phase::kOpen, "Abandon of a segment that is not open");
  slot.phase = Phase::kFree;
  --lanes_[slot.rank].open;
}

int ZmqSampleProducer::unacknowledged() const {
  MutexLock lock(mutex_);
  return static_cast<int>(std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) {
    return slot.phase == Phase::kCommitted;
  }));
}

absl::Status ZmqSampleProducer::OnStart(ZmqContext& context) {
  context_ = &context;
  return absl::OkStatus();
}

std::vector<ZmqHandler::Awaited> ZmqSampleProducer::Sockets() {
  std::vector<Awaited> sockets;
  for (auto& [number, link] : links_) sockets.push_back({link.socket.get(), link.blocked});
  return sockets;
}

// Links of consumers whose name has gone stay: the name service may be the one that is ill.
void ZmqSampleProducer::RefreshLinks() {
  const uint64_t revision = names_->revision();
  if (revision_ == revision) return;
  revision_ = revision;
  for (const NamedEndpoint& endpoint : ListEndpoints(*names_, prefix_)) {
    const auto known = links_.find(endpoint.number);
    if (endpoint.number < kMaxRanks &&
        (known == links_.end() || known->second.endpoint != endpoint)) {
      OpenLink(endpoint);
    }
  }
}

void ZmqSampleProducer::OpenLink(const NamedEndpoint& endpoint) {
  auto socket = ZmqSocket::Create(
      *context_, ZmqSocket::Kind::kDealer,
      {.max_send_bytes =
           kMaxEnvelopeBytes + MaxPayloadBytes(codec_.get(), layout_) + spec_.snapshot_capacity,
       .max_receive_bytes = kSmallMessageBytes,
       .queue_messages = 4 * static_cast<int>(kLaneWindow)});
  absl::Status status = socket.status();
  if (status.ok()) status = (*socket)->Connect(endpoint.endpoint);
  if (!status.ok()) {
    spdlog::warn("sample stream {}: rank {}: {}", spec_.policy, endpoint.number,
                 std::string(status.message()));
    return;
  }
  links_[endpoint.number] = Link{.endpoint = endpoint, .socket = *std::move(socket)};
}

SampleProducerState ZmqSampleProducer::State(uint32_t rank) const {
  SampleProducerState state{.producer = index_, .incarnation = incarnation_};
  if (const auto lane = lanes_.find(rank); lane != lanes_.end()) {
    state.session = lane->second.outbox.session();
    state.oldest = lane->second.outbox.oldest();
  }
  if (rank == 0 && state.session != 0) {
    state.wanted = wanted_ - std::min(wanted_, credits_before_);
    state.credits = session_credits_;
  }
  return state;
}

void ZmqSampleProducer::SendHello(uint32_t rank, Link& link, Clock::time_point now) {
  SampleHello hello{.state = {},
                    .schema_hash = spec_.schema.hash(),
                    .steps = spec_.extents.steps,
                    .rows = spec_.extents.rows,
                    .chunks = spec_.extents.chunks,
                    .environments = spec_.environments,
                    .snapshot_capacity = spec_.snapshot_capacity,
                    .env_steps_each = spec_.env_steps_each(),
                    .observation_encoding = static_cast<uint32_t>(spec_.observations.encoding)};
  {
    MutexLock lock(mutex_);
    hello.state = State(rank);
  }
  if (SendWire(*link.socket, {}, WireType::kSampleHello, hello).ok()) {
    link.next_hello = now + kHelloInterval;
  } else {
    link.blocked = true;
  }
}

void ZmqSampleProducer::SendWant() {
  const auto link = links_.find(0);
  SampleWant want;
  {
    MutexLock lock(mutex_);
    if (!want_due_) return;
    want = State(0);
    if (want.session == 0) return;
    want_due_ = false;
  }
  // If it does not get through, the next hello says the same.
  if (link != links_.end()) {
    SendWire(*link->second.socket, {}, WireType::kSampleWant, want).IgnoreError();
  }
}

void ZmqSampleProducer::SendSegments(uint32_t rank, Link& link) {
  std::vector<SampleOutbox::Due> due;
  {
    MutexLock lock(mutex_);
    if (const auto lane = lanes_.find(rank); lane != lanes_.end()) {
      due = lane->second.outbox.DueNow(Clock::now());
    }
  }
  for (const SampleOutbox::Due& segment : due) {
    if (!link.socket->Writable() || !SendSegment(rank, *link.socket, segment).ok()) {
      link.blocked = true;
      return;
    }
    if (segment.again && ledger_ != nullptr) ledger_->Add(Counter::kResends, 1);
  }
}

ZmqSampleProducer::Outgoing ZmqSampleProducer::TakeOutgoing(int slot, bool again) {
  Outgoing out;
  const std::byte* data;
  std::vector<std::byte> encoded;
  {
    MutexLock lock(mutex_);
    Slot& committed = slots_[static_cast<size_t>(slot)];
    out.header = committed.header;
    data = committed.buffer.data();
    encoded.swap(committed.encoded);  // of this segment if it was sent before
  }
  out.payload = {data, layout_.total_bytes()};
  out.snapshot = {data + layout_.total_bytes(), out.header.snapshot_bytes};
  if (codec_ == nullptr) return out;
  if (!again) codec_->Encode(data, encoded);
  out.payload = encoded;
  MutexLock lock(mutex_);
  slots_[static_cast<size_t>(slot)].encoded.swap(encoded);
  return out;
}

absl::Status ZmqSampleProducer::SendSegment(uint32_t rank, ZmqSocket& socket,
                                            const SampleOutbox::Due& due) {
  const Outgoing out = TakeOutgoing(due.slot, due.again);
  SampleSegment body{.state = {}, .previous = due.previous, .header = out.header};
  {
    MutexLock lock(mutex_);
    body.state = State(rank);
  }
  if (!due.again) body.header.payload_crc = Crc32c(out.snapshot, Crc32c(out.payload));
  MILLRACE_RETURN_IF_ERROR(SendWire(socket, {}, WireType::kSampleSegment, body, out.payload,
                                    out.snapshot, body.header.payload_crc));
  MutexLock lock(mutex_);
  slots_[static_cast<size_t>(due.slot)].header.payload_crc = body.header.payload_crc;
  lanes_[rank].outbox.Sent(due.sequence, Clock::now());
  return absl::OkStatus();
}

void ZmqSampleProducer::OnTurn() {
  RefreshLinks();
  const Clock::time_point now = Clock::now();
  for (auto& [rank, link] : links_) {
    link.blocked = false;
    if (now >= link.next_hello) SendHello(rank, link, now);
  }
  SendWant();
  for (auto& [rank, link] : links_) SendSegments(rank, link);
}

void ZmqSampleProducer::OnStop() {
  for (auto& [rank, link] : links_) {
    SampleBye bye;
    {
      MutexLock lock(mutex_);
      bye = State(rank);
    }
    if (!SendWire(*link.socket, {}, WireType::kSampleBye, bye).ok()) continue;
    link.socket->SetLinger(kByeLinger);
  }
  links_.clear();
}

void ZmqSampleProducer::OnFrame(ZmqSocket& socket, ZmqFrame& frame) {
  const auto link = std::find_if(links_.begin(), links_.end(), [&](const auto& entry) {
    return entry.second.socket.get() == &socket;
  });
  MILLRACE_CHECK(link != links_.end(), "a frame from a socket without link");
  const WireMessage message = DecodeWire(frame.bytes(), kSmallMessageBytes);
  WireFault fault = message.fault;
  if (message.ok() && !PayloadIntact(message)) fault = WireFault::kPayloadCrc;
  if (fault == WireFault::kNone) fault = Handle(message, link->first, link->second);
  if (fault != WireFault::kNone && faults_.Add(fault)) {
    spdlog::warn("sample stream {}: dropped {} malformed messages so far: {}", spec_.policy,
                 faults_.count(fault), Name(fault));
  }
}

WireFault ZmqSampleProducer::Handle(const WireMessage& message, uint32_t rank, Link& link) {
  switch (message.type) {
    case WireType::kSampleAck:
      return OnAck(message, rank);
    case WireType::kSampleCredit:
      return OnCredit(message, rank);
    case WireType::kSampleRefuse:
      if (!std::exchange(link.refused, true)) {
        spdlog::error("sample stream {}: rank {} refused this producer: {}", spec_.policy, rank,
                      ReasonText(message));
      }
      return WireFault::kNone;
    default:
      return WireFault::kType;
  }
}

WireFault ZmqSampleProducer::OnAck(const WireMessage& message, uint32_t rank) {
  const auto ack = WireBody<SampleAck>(message);
  if (!ack || ack->session == 0) return WireFault::kBody;
  if (ack->producer != index_ || ack->incarnation != incarnation_) return WireFault::kNone;
  bool freed = false;
  {
    MutexLock lock(mutex_);
    Lane& lane = lanes_[rank];
    if (rank == 0 && lane.outbox.session() != ack->session) {
      credits_before_ += std::exchange(session_credits_, 0);
      want_due_ = true;
    }
    for (const int slot : lane.outbox.OnAck(*ack, Clock::now())) {
      slots_[static_cast<size_t>(slot)].phase = Phase::kFree;
      freed = true;
    }
  }
  if (freed) Ring();
  return WireFault::kNone;
}

WireFault ZmqSampleProducer::OnCredit(const WireMessage& message, uint32_t rank) {
  const auto body = WireBody<SampleCredit>(message);
  if (!body || rank != 0 || body->count > kMaxCreditsPerMessage ||
      message.payload.size() != body->count * sizeof(Credit)) {
    return WireFault::kBody;
  }
  if (body->producer != index_ || body->incarnation != incarnation_) return WireFault::kNone;
  {
    MutexLock lock(mutex_);
    if (body->session != lanes_[0].outbox.session()) return WireFault::kNone;
    want_due_ = true;  // confirms what has arrived
    for (uint64_t i = 0; i < body->count; ++i) {
      if (body->first + i != session_credits_ + 1) continue;  // repeated, or one before it is lost
      Credit credit;
      std::memcpy(&credit, message.payload.data() + i * sizeof(Credit), sizeof(Credit));
      if (credit.rank >= kMaxRanks) return WireFault::kBody;
      credits_.push_back(credit);
      ++session_credits_;
      newest_epoch_ = std::max(newest_epoch_, credit.epoch);
    }
  }
  Ring();
  return WireFault::kNone;
}

}  // namespace millrace
