#include "streams/zmq/inference_client.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"
#include "streams/zmq/message.h"

namespace millrace {
namespace {

constexpr auto kHelloInterval = std::chrono::seconds(1);
constexpr auto kByeLinger = std::chrono::milliseconds(100);
// A connection may be away this long before its requests go to another server.
constexpr auto kDownPatience = std::chrono::milliseconds(250);
constexpr int kQueueMessages = 1000;

}  // namespace

absl::StatusOr<std::unique_ptr<ZmqInferenceClient>> ZmqInferenceClient::Create(
    const StreamContext& context, const InferenceSpec& spec,
    const InferenceClientOptions& options) {
  if (options.groups < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("groups of an inference client: expected at least 1, got ", options.groups));
  }
  std::unique_ptr<ZmqInferenceClient> client(new ZmqInferenceClient(context, spec, options));
  MILLRACE_RETURN_IF_ERROR(context.names->Watch(client->prefix_, nullptr));
  MILLRACE_ASSIGN_OR_RETURN(client->loop_, ZmqLoop::Start("zmq-infer-out", *client));
  return client;
}

ZmqInferenceClient::ZmqInferenceClient(const StreamContext& context, const InferenceSpec& spec,
                                       const InferenceClientOptions& options)
    : spec_(spec),
      request_layout_(spec.RequestLayout()),
      reply_layout_(spec.ReplyLayout()),
      compact_bytes_(spec.CompactRequestBytes()),
      fingerprint_(Fingerprint(spec)),
      index_(context.index),
      incarnation_(context.incarnation),
      options_(options),
      prefix_(absl::StrCat("inference/", spec.policy, "/server/")),
      names_(context.names),
      bell_(context.bell),
      ledger_(context.ledger),
      groups_(static_cast<size_t>(options.groups)),
      alone_since_(Clock::now()) {
  for (int i = 0; i < options.groups; ++i) {
    requests_.emplace_back(request_layout_.total_bytes());
    replies_.emplace_back(reply_layout_.total_bytes());
  }
}

ZmqInferenceClient::~ZmqInferenceClient() { loop_.reset(); }

std::byte* ZmqInferenceClient::RequestPayload(int group) {
  return requests_[static_cast<size_t>(group)].data();
}

// Last observations and state lie behind what every request carries.
bool ZmqInferenceClient::IsCompact(int group, const RequestHeader& header) {
  if ((header.flags & kRestoreState) != 0) return false;
  const auto flags = request_layout_.View(kRowFlags, RequestPayload(group)).As<uint8_t>();
  return std::none_of(flags.begin(), flags.end(),
                      [](uint8_t flag) { return (flag & kRowFinal) != 0; });
}

absl::Status ZmqInferenceClient::Post(int group, RequestHeader header) {
  const size_t bytes = IsCompact(group, header) ? compact_bytes_ : request_layout_.total_bytes();
  {
    MutexLock lock(mutex_);
    Group& state = groups_[static_cast<size_t>(group)];
    MILLRACE_CHECK(state.phase == Phase::kIdle, "Post to a group whose last reply is not taken");
    header.id = ++state.last_id;
    header.client = index_;
    header.incarnation = incarnation_;
    header.group = static_cast<uint32_t>(group);
    state.request = header;
    state.request_bytes = bytes;
    state.phase = Phase::kWaiting;
    state.sent = state.again = false;
    state.deadline = After(options_.request_deadline);
  }
  loop_->Wake();
  return absl::OkStatus();
}

std::optional<Reply> ZmqInferenceClient::TryReply(int group) {
  MutexLock lock(mutex_);
  Group& state = groups_[static_cast<size_t>(group)];
  if (state.phase != Phase::kAnswered) return std::nullopt;
  state.phase = Phase::kIdle;
  return Reply{.header = state.reply, .payload = replies_[static_cast<size_t>(group)].data()};
}

// The loop does the work by itself; here it is only hurried.
absl::Status ZmqInferenceClient::Maintain() {
  const Clock::time_point now = Clock::now();
  bool late = false;
  absl::Status status;
  {
    MutexLock lock(mutex_);
    for (const Group& group : groups_) {
      late |= group.phase == Phase::kWaiting && now >= group.deadline;
    }
    if (alone_since_ && now - *alone_since_ > options_.patience) {
      status = absl::UnavailableError(
          absl::StrCat("policy ", spec_.policy, ": no policy worker has been there for ",
                       std::chrono::duration<double>(now - *alone_since_).count(), " s",
                       refusal_.empty() ? "" : "; the last one refused this actor: ", refusal_));
    }
  }
  if (late) loop_->Wake();
  return status;
}

absl::Status ZmqInferenceClient::OnStart(ZmqContext& context) {
  context_ = &context;
  return absl::OkStatus();
}

std::vector<ZmqHandler::Awaited> ZmqInferenceClient::Sockets() {
  std::vector<Awaited> sockets;
  for (auto& [number, link] : links_) sockets.push_back({link.socket.get(), !link.up});
  return sockets;
}

void ZmqInferenceClient::RefreshLinks() {
  const uint64_t revision = names_->revision();
  if (revision_ == revision) return;
  revision_ = revision;
  const std::vector<NamedEndpoint> listed = ListEndpoints(*names_, prefix_);
  std::erase_if(links_, [&](const auto& entry) {
    if (std::find(listed.begin(), listed.end(), entry.second.endpoint) != listed.end()) {
      return false;
    }
    ForgetSent(entry.first);
    return true;
  });
  for (const NamedEndpoint& endpoint : listed) {
    if (!links_.contains(endpoint.number)) OpenLink(endpoint);
  }
}

void ZmqInferenceClient::OpenLink(const NamedEndpoint& endpoint) {
  auto socket = ZmqSocket::Create(
      *context_, ZmqSocket::Kind::kDealer,
      {.max_send_bytes = kMaxEnvelopeBytes + request_layout_.total_bytes(),
       .max_receive_bytes = kMaxEnvelopeBytes + kMaxReasonBytes + reply_layout_.total_bytes(),
       .queue_messages = kQueueMessages});
  absl::Status status = socket.status();
  if (status.ok()) status = (*socket)->Connect(endpoint.endpoint);
  if (!status.ok()) {
    spdlog::warn("inference stream {}: server {}: {}", spec_.policy, endpoint.number,
                 std::string(status.message()));
    return;
  }
  links_[endpoint.number] =
      Link{.endpoint = endpoint, .socket = *std::move(socket), .changed = Clock::now()};
}

// What was sent to that server may never be answered.
void ZmqInferenceClient::ForgetSent(uint32_t server) {
  MutexLock lock(mutex_);
  for (Group& group : groups_) {
    if (group.server == server) group.sent = false;
  }
}

void ZmqInferenceClient::CheckLinks(Clock::time_point now) {
  for (auto& [index, link] : links_) {
    const bool up = link.socket->Writable();
    if (up == link.up) continue;
    link.up = up;
    link.changed = now;
    if (up) {
      ForgetSent(index);  // what was under way when the connection broke is lost
      link.next_hello = now;
    }
  }
  const bool any = std::any_of(links_.begin(), links_.end(), [](const auto& entry) {
    return entry.second.up && !entry.second.refused;
  });
  MutexLock lock(mutex_);
  if (any) {
    alone_since_.reset();
  } else if (!alone_since_) {
    alone_since_ = now;
  }
}

void ZmqInferenceClient::SendHellos(Clock::time_point now) {
  const InferenceHello hello{
      .fingerprint = fingerprint_, .client = index_, .incarnation = incarnation_};
  for (auto& [index, link] : links_) {
    if (!link.up || now < link.next_hello) continue;
    if (SendWire(*link.socket, {}, WireType::kInferenceHello, hello).ok()) {
      link.next_hello = now + kHelloInterval;
    }
  }
}

bool ZmqInferenceClient::AnyUp() const {
  return std::any_of(links_.begin(), links_.end(),
                     [](const auto& entry) { return entry.second.up && !entry.second.refused; });
}

bool ZmqInferenceClient::MustMove(const Group& group, Clock::time_point now) const {
  if (!group.server || now >= group.deadline) return true;
  const auto link = links_.find(*group.server);
  if (link == links_.end() || link->second.refused) return true;
  return !link->second.up && now - link->second.changed > kDownPatience && AnyUp();
}

// The first time, groups spread over all servers; later on the next one after the present server,
// if possible one that is connected.
std::optional<uint32_t> ZmqInferenceClient::ChooseServer(int group, const Group& state) const {
  std::vector<uint32_t> all, connected;
  for (const auto& [index, link] : links_) {
    if (link.refused) continue;
    all.push_back(index);
    if (link.up) connected.push_back(index);
  }
  if (all.empty()) return std::nullopt;
  if (!state.server) return all[(index_ + static_cast<size_t>(group)) % all.size()];
  const auto& candidates = connected.empty() ? all : connected;
  const auto next = std::upper_bound(candidates.begin(), candidates.end(), *state.server);
  return next == candidates.end() ? candidates.front() : *next;
}

void ZmqInferenceClient::SendRequests(Clock::time_point now) {
  std::vector<std::pair<int, Link*>> due;
  {
    MutexLock lock(mutex_);
    for (size_t i = 0; i < groups_.size(); ++i) {
      Group& group = groups_[i];
      const int number = static_cast<int>(i);
      if (group.phase != Phase::kWaiting) continue;
      if (MustMove(group, now)) {
        group.server = ChooseServer(number, group);
        group.sent = false;
        group.deadline = now + options_.request_deadline;
      }
      if (!group.server || group.sent) continue;
      Link& link = links_.at(*group.server);
      if (link.up) due.emplace_back(number, &link);
    }
  }
  for (const auto& [group, link] : due) SendRequest(group, *link);
}

void ZmqInferenceClient::SendRequest(int group, Link& link) {
  InferenceRequest body{.fingerprint = fingerprint_, .header = {}};
  std::span<const std::byte> payload;
  {
    MutexLock lock(mutex_);
    const Group& state = groups_[static_cast<size_t>(group)];
    body.header = state.request;
    payload = {requests_[static_cast<size_t>(group)].data(), state.request_bytes};
  }
  if (!SendWire(*link.socket, {}, WireType::kInferenceRequest, body, payload).ok()) return;
  MutexLock lock(mutex_);
  Group& state = groups_[static_cast<size_t>(group)];
  state.sent = true;
  if (std::exchange(state.again, true) && ledger_ != nullptr) ledger_->Add(Counter::kResends, 1);
}

void ZmqInferenceClient::OnTurn() {
  RefreshLinks();
  const Clock::time_point now = Clock::now();
  CheckLinks(now);
  SendHellos(now);
  SendRequests(now);
}

void ZmqInferenceClient::OnStop() {
  const InferenceBye bye{
      .fingerprint = fingerprint_, .client = index_, .incarnation = incarnation_};
  for (auto& [index, link] : links_) {
    if (!SendWire(*link.socket, {}, WireType::kInferenceBye, bye).ok()) continue;
    link.socket->SetLinger(kByeLinger);
  }
  links_.clear();
}

void ZmqInferenceClient::OnFrame(ZmqSocket& socket, ZmqFrame& frame) {
  const auto link = std::find_if(links_.begin(), links_.end(), [&](const auto& entry) {
    return entry.second.socket.get() == &socket;
  });
  MILLRACE_CHECK(link != links_.end(), "a frame from a socket without link");
  const WireMessage message =
      DecodeWire(frame.bytes(), std::max(kMaxReasonBytes, reply_layout_.total_bytes()));
  WireFault fault = message.fault;
  if (message.ok() && !PayloadIntact(message)) fault = WireFault::kPayloadCrc;
  if (fault == WireFault::kNone) fault = Handle(message, link->second);
  if (fault != WireFault::kNone && faults_.Add(fault)) {
    spdlog::warn("inference stream {}: dropped {} malformed messages so far: {}", spec_.policy,
                 faults_.count(fault), Name(fault));
  }
}

WireFault ZmqInferenceClient::Handle(const WireMessage& message, Link& link) {
  switch (message.type) {
    case WireType::kInferenceReply:
      return OnReply(message);
    case WireType::kInferenceRefuse:
      OnRefuse(message, link);
      return WireFault::kNone;
    default:
      return WireFault::kType;
  }
}

WireFault ZmqInferenceClient::OnReply(const WireMessage& message) {
  const auto body = WireBody<InferenceReply>(message);
  if (!body || message.payload.size() != reply_layout_.total_bytes()) return WireFault::kBody;
  if (body->client != index_ || body->incarnation != incarnation_) return WireFault::kNone;
  {
    MutexLock lock(mutex_);
    if (body->group >= groups_.size()) return WireFault::kBody;
    Group& group = groups_[body->group];
    // A second answer, or one to an earlier request.
    if (group.phase != Phase::kWaiting || group.request.id != body->header.id) {
      return WireFault::kNone;
    }
    std::memcpy(replies_[body->group].data(), message.payload.data(), message.payload.size());
    group.reply = body->header;
    group.phase = Phase::kAnswered;
  }
  Ring();
  return WireFault::kNone;
}

void ZmqInferenceClient::OnRefuse(const WireMessage& message, Link& link) {
  if (std::exchange(link.refused, true)) return;
  const std::string reason = ReasonText(message);
  spdlog::error("inference stream {}: server {} refused this client: {}", spec_.policy,
                link.endpoint.number, reason);
  MutexLock lock(mutex_);
  refusal_ = reason;
}

}  // namespace millrace
