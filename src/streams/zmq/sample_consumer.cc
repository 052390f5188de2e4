#include "streams/zmq/sample_consumer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "millrace/core/status.h"
#include "streams/zmq/message.h"
#include "streams/zmq/session.h"

namespace millrace {
namespace {

constexpr size_t kMaxSpareBuffers = 64;
constexpr int kQueueMessages = 1000;

}  // namespace

absl::StatusOr<std::unique_ptr<ZmqSampleConsumer>> ZmqSampleConsumer::Create(
    const StreamContext& context, const SampleStreamSpec& spec) {
  std::unique_ptr<ZmqSampleConsumer> consumer(new ZmqSampleConsumer(context, spec));
  MILLRACE_ASSIGN_OR_RETURN(consumer->loop_, ZmqLoop::Start("zmq-sample-in", *consumer));
  MILLRACE_ASSIGN_OR_RETURN(
      consumer->announcement_,
      EndpointAnnouncement::Create(context.names,
                                   NameKey("sample", spec.policy, "consumer", context.index),
                                   context.incarnation, consumer->endpoint_));
  return consumer;
}

ZmqSampleConsumer::ZmqSampleConsumer(const StreamContext& context, const SampleStreamSpec& spec)
    : spec_(spec),
      layout_(spec.schema, spec.extents),
      rank_(context.index),
      session_(NewSession()),
      bind_host_(context.bind_host),
      bell_(context.bell),
      codec_(MakeObservationCodec(layout_, spec.observations)) {}

ZmqSampleConsumer::~ZmqSampleConsumer() {
  announcement_.reset();
  loop_.reset();
}

absl::Status ZmqSampleConsumer::OnStart(ZmqContext& context) {
  const size_t largest =
      kMaxEnvelopeBytes + MaxPayloadBytes(codec_.get(), layout_) + spec_.snapshot_capacity;
  MILLRACE_ASSIGN_OR_RETURN(
      socket_, ZmqSocket::Create(context, ZmqSocket::Kind::kRouter,
                                 {.max_send_bytes = kSmallMessageBytes,
                                  .max_receive_bytes = std::max(largest, kSmallMessageBytes),
                                  .queue_messages = kQueueMessages}));
  MILLRACE_ASSIGN_OR_RETURN(endpoint_, socket_->Bind(bind_host_));
  return absl::OkStatus();
}

void ZmqSampleConsumer::OnFrame(ZmqSocket&, ZmqFrame& frame) {
  const WireMessage message =
      DecodeWire(frame.bytes(), MaxPayloadBytes(codec_.get(), layout_) + spec_.snapshot_capacity);
  const WireFault fault = message.ok() ? Handle(message, frame.peer()) : message.fault;
  if (fault != WireFault::kNone && faults_.Add(fault)) {
    spdlog::warn("sample stream {}: dropped {} malformed messages so far: {}", spec_.policy,
                 faults_.count(fault), Name(fault));
  }
}

WireFault ZmqSampleConsumer::Handle(const WireMessage& message, std::string_view peer) {
  switch (message.type) {
    case WireType::kSampleHello:
      return OnHello(message, peer);
    case WireType::kSampleWant:
      return OnState(message, peer, /*leaving=*/false);
    case WireType::kSampleBye:
      return OnState(message, peer, /*leaving=*/true);
    case WireType::kSampleSegment:
      return OnSegment(message, peer);
    default:
      return WireFault::kType;
  }
}

std::string ZmqSampleConsumer::Mismatch(const SampleHello& hello) const {
  if (hello.schema_hash != spec_.schema.hash()) {
    return absl::StrCat("schema: expected ", absl::Hex(spec_.schema.hash()), ", got ",
                        absl::Hex(hello.schema_hash));
  }
  const Extents extents{.steps = hello.steps, .rows = hello.rows, .chunks = hello.chunks};
  if (extents != spec_.extents || hello.environments != spec_.environments ||
      hello.snapshot_capacity != spec_.snapshot_capacity ||
      hello.env_steps_each != spec_.env_steps_each()) {
    return absl::StrCat("segment of T x B, C, E: expected ", spec_.extents.steps, " x ",
                        spec_.extents.rows, ", ", spec_.extents.chunks, ", ", spec_.environments,
                        ", got ", hello.steps, " x ", hello.rows, ", ", hello.chunks, ", ",
                        hello.environments, "; or snapshots of another size");
  }
  const auto encoding = static_cast<uint32_t>(spec_.observations.encoding);
  if (hello.observation_encoding != encoding) {
    return absl::StrCat("encoding of observations: expected ", encoding, ", got ",
                        hello.observation_encoding);
  }
  return {};
}

void ZmqSampleConsumer::Refuse(std::string_view peer, std::string_view reason) {
  // A lost refusal is repeated at the next hello.
  SendWire(*socket_, peer, WireType::kSampleRefuse, SampleRefuse{.session = session_},
           std::as_bytes(std::span(reason.substr(0, kMaxReasonBytes))))
      .IgnoreError();
}

WireFault ZmqSampleConsumer::OnHello(const WireMessage& message, std::string_view peer) {
  const auto hello = WireBody<SampleHello>(message);
  if (!hello || !message.payload.empty()) return WireFault::kBody;
  if (const std::string mismatch = Mismatch(*hello); !mismatch.empty()) {
    Refuse(peer, mismatch);
    return WireFault::kNone;
  }
  const Key key{hello->state.producer, hello->state.incarnation};
  bool news = false;
  bool forgotten = false;
  {
    MutexLock lock(mutex_);
    forgotten = forgotten_.contains(key);
    if (!forgotten) {
      const auto [lane, made] = lanes_.try_emplace(key, session_, *hello);
      news = lane->second.Heard(peer, hello->state, Clock::now()) || made;
      lane->second.OweAck();
    }
  }
  if (forgotten) Refuse(peer, "this producer incarnation has been accounted for as dead");
  if (news) Ring();
  return WireFault::kNone;
}

WireFault ZmqSampleConsumer::OnState(const WireMessage& message, std::string_view peer,
                                     bool leaving) {
  const auto state = WireBody<SampleProducerState>(message);
  if (!state || !message.payload.empty()) return WireFault::kBody;
  bool news = leaving;
  {
    MutexLock lock(mutex_);
    const auto found = lanes_.find({state->producer, state->incarnation});
    if (found == lanes_.end()) return WireFault::kNone;  // its hello follows
    news |= found->second.Heard(peer, *state, Clock::now());
    if (leaving) found->second.Leave();
  }
  if (news) Ring();
  return WireFault::kNone;
}

// Why a segment that came in order cannot be used.
std::optional<DropReason> ZmqSampleConsumer::Fault(const SampleSegment& segment,
                                                   const WireMessage& message) const {
  const SegmentHeader& header = segment.header;
  const Extents extents{.steps = header.steps, .rows = header.rows, .chunks = header.chunks};
  if (header.schema_hash != spec_.schema.hash() || extents != spec_.extents ||
      header.environments != static_cast<uint32_t>(spec_.environments) ||
      header.producer != segment.state.producer ||
      header.incarnation != segment.state.incarnation || header.credit.rank != rank_ ||
      header.snapshot_bytes > spec_.snapshot_capacity ||
      message.payload.size() < header.snapshot_bytes ||
      (codec_ == nullptr &&
       message.payload.size() != layout_.total_bytes() + header.snapshot_bytes)) {
    return DropReason::kSchema;
  }
  if (header.payload_crc != message.payload_crc || !PayloadIntact(message)) return DropReason::kCrc;
  return std::nullopt;
}

WireFault ZmqSampleConsumer::OnSegment(const WireMessage& message, std::string_view peer) {
  const auto segment = WireBody<SampleSegment>(message);
  if (!segment) return WireFault::kBody;
  const Key key{segment->state.producer, segment->state.incarnation};
  {
    MutexLock lock(mutex_);
    const auto found = lanes_.find(key);
    if (found == lanes_.end()) return WireFault::kNone;  // its hello follows, then this again
    found->second.Heard(peer, segment->state, Clock::now());
    if (!found->second.Accept(segment->header.sequence, segment->previous)) return WireFault::kNone;
  }
  std::optional<DropReason> fault = Fault(*segment, message);
  AlignedBuffer buffer;
  if (!fault) {
    buffer = TakeBuffer();
    if (!Unpack(message.payload, segment->header.snapshot_bytes, buffer)) {
      fault = DropReason::kSchema;
    }
  }
  Deliver(*segment, std::move(buffer), fault);
  Ring();
  return WireFault::kNone;
}

// Payload and snapshot; false if they cannot be decoded.
bool ZmqSampleConsumer::Unpack(std::span<const std::byte> from, size_t snapshot_bytes,
                               AlignedBuffer& to) {
  if (codec_ == nullptr) {
    std::memcpy(to.data(), from.data(), from.size());
    return true;
  }
  const auto snapshot = from.last(snapshot_bytes);
  std::ranges::copy(snapshot, to.data() + layout_.total_bytes());
  return codec_->Decode(from.first(from.size() - snapshot_bytes), to.data()).ok();
}

AlignedBuffer ZmqSampleConsumer::TakeBuffer() {
  {
    MutexLock lock(mutex_);
    if (!spare_.empty()) {
      AlignedBuffer buffer = std::move(spare_.back());
      spare_.pop_back();
      return buffer;
    }
  }
  return AlignedBuffer(layout_.total_bytes() + spec_.snapshot_capacity);
}

void ZmqSampleConsumer::Deliver(const SampleSegment& segment, AlignedBuffer buffer,
                                std::optional<DropReason> fault) {
  const SegmentHeader& header = segment.header;
  const Key key{segment.state.producer, segment.state.incarnation};
  MutexLock lock(mutex_);
  if (forgotten_.contains(key)) return;
  if (fault) {
    refused_.push_back({.producer = key.first,
                        .incarnation = key.second,
                        .sequence = header.sequence,
                        .env_steps_each = spec_.env_steps_each(),
                        .reason = *fault,
                        .credit = header.credit});
    return;
  }
  const uint64_t handle = ++next_handle_;
  const std::byte* data = buffer.data();
  ready_.push_back({.header = header,
                    .payload = data,
                    .snapshot = {data + layout_.total_bytes(), header.snapshot_bytes},
                    .handle = handle});
  buffers_.emplace(handle, std::move(buffer));
}

void ZmqSampleConsumer::OnTurn() {
  struct Outgoing {
    Key key;
    std::string peer;
    std::optional<SampleAck> ack;
    std::optional<SampleInbox::CreditBatch> credits;
  };
  const Clock::time_point now = Clock::now();
  std::vector<Outgoing> outgoing;
  {
    MutexLock lock(mutex_);
    for (auto& [key, lane] : lanes_) {
      Outgoing out{.key = key, .peer = lane.peer(), .ack = {}, .credits = lane.CreditsDue(now)};
      if (lane.TakeAckDue()) out.ack = lane.Ack();
      if (out.credits) lane.CreditsSent(now);
      if (out.ack || out.credits) outgoing.push_back(std::move(out));
    }
  }
  for (const Outgoing& out : outgoing) {
    // What is lost here is asked for again: by the next hello, or by silence about the credits.
    if (out.ack) SendWire(*socket_, out.peer, WireType::kSampleAck, *out.ack).IgnoreError();
    if (out.credits) {
      const SampleCredit body{.session = session_,
                              .producer = out.key.first,
                              .incarnation = out.key.second,
                              .first = out.credits->first,
                              .count = out.credits->credits.size()};
      SendWire(*socket_, out.peer, WireType::kSampleCredit, body,
               std::as_bytes(std::span(out.credits->credits)))
          .IgnoreError();
    }
  }
}

std::optional<ReceivedSegment> ZmqSampleConsumer::Receive() {
  MutexLock lock(mutex_);
  if (ready_.empty()) return std::nullopt;
  const ReceivedSegment segment = ready_.front();
  ready_.pop_front();
  return segment;
}

std::vector<RefusedSegment> ZmqSampleConsumer::TakeRefused() {
  std::vector<RefusedSegment> refused;
  {
    MutexLock lock(mutex_);
    if (refused_.empty() && reported_.empty()) return {};
    for (const RefusedSegment& segment : reported_) {
      const auto found = lanes_.find({segment.producer, segment.incarnation});
      if (found != lanes_.end()) found->second.Dispose(segment.sequence);
    }
    reported_ = refused = std::exchange(refused_, {});
  }
  loop_->Wake();
  return refused;
}

void ZmqSampleConsumer::Release(uint64_t handle) {
  const auto found = buffers_.find(handle);
  if (found == buffers_.end()) return;
  if (spare_.size() < kMaxSpareBuffers) spare_.push_back(std::move(found->second));
  buffers_.erase(found);
}

void ZmqSampleConsumer::Dispose(const ReceivedSegment& segment) {
  {
    MutexLock lock(mutex_);
    Release(segment.handle);
    const auto found = lanes_.find({segment.header.producer, segment.header.incarnation});
    if (found == lanes_.end()) return;
    found->second.Dispose(segment.header.sequence);
  }
  loop_->Wake();
}

// Heard of lately, and not followed by a newer incarnation.
bool ZmqSampleConsumer::Connected(const Key& key) const {
  const auto found = lanes_.find(key);
  if (found == lanes_.end() || !found->second.Connected(Clock::now())) return false;
  const auto next = std::next(found);
  return next == lanes_.end() || next->first.first != key.first;
}

std::vector<ProducerStatus> ZmqSampleConsumer::Producers() {
  MutexLock lock(mutex_);
  std::vector<ProducerStatus> statuses;
  for (const auto& [key, lane] : lanes_) {
    if (!Connected(key)) continue;
    statuses.push_back({.producer = key.first,
                        .incarnation = key.second,
                        .wanted = lane.wanted(),
                        .granted = lane.granted(),
                        .env_steps_each = lane.env_steps_each()});
  }
  return statuses;
}

bool ZmqSampleConsumer::Grant(uint32_t producer, uint32_t incarnation, const Credit& credit) {
  {
    MutexLock lock(mutex_);
    if (rank_ != 0 || !Connected({producer, incarnation})) return false;
    lanes_.find({producer, incarnation})->second.Grant(credit);
  }
  loop_->Wake();
  return true;
}

void ZmqSampleConsumer::Forget(uint32_t producer, uint32_t incarnation) {
  const Key key{producer, incarnation};
  MutexLock lock(mutex_);
  forgotten_.insert(key);
  lanes_.erase(key);
  std::erase_if(ready_, [&](const ReceivedSegment& segment) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (Key{segment.header.producer, segment.header.incarnation} != key) return false;
    Release(segment.handle);
    return true;
  });
  std::erase_if(refused_, [&](const RefusedSegment& segment) {
    return Key{segment.producer, segment.incarnation} == key;
  });
}

}  // namespace millrace
