#include "streams/zmq/inference_server.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"
#include "streams/zmq/message.h"

namespace millrace {
namespace {

constexpr auto kSilence = std::chrono::seconds(6);
constexpr int kQueueMessages = 1000;
constexpr uint32_t kMaxGroups = 1 << 16;  // of one client

}  // namespace

absl::StatusOr<std::unique_ptr<ZmqInferenceServer>> ZmqInferenceServer::Create(
    const StreamContext& context, const InferenceSpec& spec) {
  std::unique_ptr<ZmqInferenceServer> server(new ZmqInferenceServer(context, spec));
  MILLRACE_ASSIGN_OR_RETURN(server->loop_, ZmqLoop::Start("zmq-infer-in", *server));
  MILLRACE_ASSIGN_OR_RETURN(
      server->announcement_,
      EndpointAnnouncement::Create(context.names,
                                   NameKey("inference", spec.policy, "server", context.index),
                                   context.incarnation, server->endpoint_));
  return server;
}

ZmqInferenceServer::ZmqInferenceServer(const StreamContext& context, const InferenceSpec& spec)
    : spec_(spec),
      request_layout_(spec.RequestLayout()),
      reply_layout_(spec.ReplyLayout()),
      compact_bytes_(spec.CompactRequestBytes()),
      fingerprint_(Fingerprint(spec)),
      bind_host_(context.bind_host),
      bell_(context.bell) {}

ZmqInferenceServer::~ZmqInferenceServer() {
  announcement_.reset();
  loop_.reset();
}

absl::Status ZmqInferenceServer::OnStart(ZmqContext& context) {
  MILLRACE_ASSIGN_OR_RETURN(
      socket_,
      ZmqSocket::Create(
          context, ZmqSocket::Kind::kRouter,
          {.max_send_bytes = kMaxEnvelopeBytes + kMaxReasonBytes + reply_layout_.total_bytes(),
           .max_receive_bytes = kMaxEnvelopeBytes + request_layout_.total_bytes(),
           .queue_messages = kQueueMessages}));
  MILLRACE_ASSIGN_OR_RETURN(endpoint_, socket_->Bind(bind_host_));
  return absl::OkStatus();
}

void ZmqInferenceServer::OnFrame(ZmqSocket&, ZmqFrame& frame) {
  const WireMessage message = DecodeWire(frame.bytes(), request_layout_.total_bytes());
  WireFault fault = message.fault;
  if (message.ok() && !PayloadIntact(message)) fault = WireFault::kPayloadCrc;
  if (fault == WireFault::kNone) fault = Handle(message, frame.peer());
  if (fault != WireFault::kNone && faults_.Add(fault)) {
    spdlog::warn("inference stream {}: dropped {} malformed messages so far: {}", spec_.policy,
                 faults_.count(fault), Name(fault));
  }
}

WireFault ZmqInferenceServer::Handle(const WireMessage& message, std::string_view peer) {
  switch (message.type) {
    case WireType::kInferenceHello:
      return OnHello(message, peer);
    case WireType::kInferenceBye:
      return OnBye(message);
    case WireType::kInferenceRequest:
      return OnRequest(message, peer);
    default:
      return WireFault::kType;
  }
}

void ZmqInferenceServer::Refuse(std::string_view peer, uint64_t fingerprint) {
  const std::string reason =
      absl::StrCat("fields of requests and replies of policy ", spec_.policy, ": expected ",
                   absl::Hex(fingerprint_), ", got ", absl::Hex(fingerprint));
  SendWire(*socket_, peer, WireType::kInferenceRefuse, InferenceRefuse{.fingerprint = fingerprint_},
           std::as_bytes(std::span(reason)))
      .IgnoreError();  // the next hello is refused as well
}

ZmqInferenceServer::Client& ZmqInferenceServer::Heard(const Key& key, std::string_view peer) {
  const auto [found, made] = clients_.try_emplace(key);
  found->second.peer = peer;
  found->second.last_heard = Clock::now();
  if (made && found != clients_.begin() && std::prev(found)->first.first == key.first) {
    Drop(Key(std::prev(found)->first));  // this incarnation's predecessor is dead
  }
  return found->second;
}

WireFault ZmqInferenceServer::OnHello(const WireMessage& message, std::string_view peer) {
  const auto hello = WireBody<InferenceHello>(message);
  if (!hello) return WireFault::kBody;
  if (hello->fingerprint != fingerprint_) {
    Refuse(peer, hello->fingerprint);
    return WireFault::kNone;
  }
  MutexLock lock(mutex_);
  Heard({hello->client, hello->incarnation}, peer);
  return WireFault::kNone;
}

WireFault ZmqInferenceServer::OnBye(const WireMessage& message) {
  const auto bye = WireBody<InferenceBye>(message);
  if (!bye) return WireFault::kBody;
  MutexLock lock(mutex_);
  Drop({bye->client, bye->incarnation});
  return WireFault::kNone;
}

void ZmqInferenceServer::Drop(const Key& key) {
  if (clients_.erase(key) == 0) return;
  std::erase_if(arrived_, [&](const ExchangePtr& exchange) {
    return Key{exchange->header.client, exchange->header.incarnation} == key;
  });
  gone_.push_back(key);
  Ring();
}

// The exchange to be filled, or null if the request needs nothing more.
ZmqInferenceServer::ExchangePtr ZmqInferenceServer::NewExchange(const RequestHeader& header,
                                                                std::string_view peer) {
  MutexLock lock(mutex_);
  Client& client = Heard({header.client, header.incarnation}, peer);
  ExchangePtr& newest = client.groups[header.group];
  if (newest != nullptr && header.id <= newest->header.id) {
    // Posted again. Still in work: its answer goes to where the client is heard from last.
    if (header.id == newest->header.id && newest->answered) answered_.push_back(newest);
    return nullptr;
  }
  // Buffers are used again unless the owner or the send queue still has them.
  if (newest == nullptr || newest.use_count() > 1) {
    newest = std::make_shared<Exchange>();
    newest->request = AlignedBuffer(request_layout_.total_bytes());
    newest->reply = AlignedBuffer(reply_layout_.total_bytes());
  }
  newest->header = header;
  newest->answered = false;
  return newest;
}

WireFault ZmqInferenceServer::OnRequest(const WireMessage& message, std::string_view peer) {
  const auto request = WireBody<InferenceRequest>(message);
  if (!request) return WireFault::kBody;
  if (request->fingerprint != fingerprint_) {
    Refuse(peer, request->fingerprint);
    return WireFault::kNone;
  }
  const bool whole = message.payload.size() == request_layout_.total_bytes();
  const bool compact = !whole && message.payload.size() == compact_bytes_;
  if ((!whole && !compact) || request->header.group >= kMaxGroups) return WireFault::kBody;
  ExchangePtr exchange = NewExchange(request->header, peer);
  if (exchange == nullptr) return WireFault::kNone;
  exchange->compact = compact;
  exchange->arrived = Clock::now();
  std::memcpy(exchange->request.data(), message.payload.data(), message.payload.size());
  {
    MutexLock lock(mutex_);
    arrived_.push_back(std::move(exchange));
  }
  Ring();
  return WireFault::kNone;
}

void ZmqInferenceServer::OnTurn() {
  SendReplies();
  DropSilentClients();
}

void ZmqInferenceServer::SendReplies() {
  std::vector<std::pair<ExchangePtr, std::string>> outgoing;
  {
    MutexLock lock(mutex_);
    for (ExchangePtr& exchange : answered_) {
      const RequestHeader& header = exchange->header;
      const auto client = clients_.find({header.client, header.incarnation});
      if (client == clients_.end()) continue;
      const auto newest = client->second.groups.find(header.group);
      // The client may have got its answer elsewhere and asked something new since.
      if (newest == client->second.groups.end() || newest->second != exchange) continue;
      outgoing.emplace_back(std::move(exchange), client->second.peer);
    }
    answered_.clear();
  }
  for (const auto& [exchange, peer] : outgoing) {
    const InferenceReply body{.header = exchange->reply_header,
                              .client = exchange->header.client,
                              .incarnation = exchange->header.incarnation,
                              .group = exchange->header.group};
    // A reply that does not get through is asked for again.
    SendWire(*socket_, peer, WireType::kInferenceReply, body,
             std::span<const std::byte>(exchange->reply.data(), exchange->reply.size()))
        .IgnoreError();
  }
}

void ZmqInferenceServer::DropSilentClients() {
  const Clock::time_point now = Clock::now();
  MutexLock lock(mutex_);
  std::vector<Key> silent;
  for (const auto& [key, client] : clients_) {
    if (now - client.last_heard > kSilence) silent.push_back(key);
  }
  for (const Key& key : silent) Drop(key);
}

void ZmqInferenceServer::Collect(std::vector<PendingRequest>& requests) {
  MutexLock lock(mutex_);
  for (ExchangePtr& exchange : arrived_) {
    const uint64_t handle = ++next_handle_;
    requests.push_back({.header = exchange->header,
                        .payload = exchange->request.data(),
                        .compact = exchange->compact,
                        .reply = exchange->reply.data(),
                        .arrived = exchange->arrived,
                        .handle = handle});
    in_hand_.emplace(handle, std::move(exchange));
  }
  arrived_.clear();
}

void ZmqInferenceServer::Respond(const PendingRequest& request, ReplyHeader header) {
  MutexLock lock(mutex_);
  const auto found = in_hand_.find(request.handle);
  MILLRACE_CHECK(found != in_hand_.end(), "Respond to a request that was not collected");
  header.id = found->second->header.id;
  found->second->reply_header = header;
  found->second->answered = true;
  answered_.push_back(std::move(found->second));
  in_hand_.erase(found);
}

std::vector<std::pair<uint32_t, uint32_t>> ZmqInferenceServer::TakeGoneClients() {
  MutexLock lock(mutex_);
  return std::exchange(gone_, {});
}

}  // namespace millrace
