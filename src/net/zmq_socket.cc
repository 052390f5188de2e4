#include "net/zmq_socket.h"

#include <spdlog/fmt/fmt.h>

#include <cerrno>
#include <cstring>

#include "millrace/core/status.h"
#include "net/bind_address.h"

namespace millrace {
namespace {

absl::Status ZmqError(std::string_view what) {
  return absl::InternalError(fmt::format("{}: {}", what, ::zmq_strerror(errno)));
}

absl::Status SetOption(void* socket, int option, int value) {
  if (::zmq_setsockopt(socket, option, &value, sizeof(value)) == 0) return absl::OkStatus();
  return ZmqError(fmt::format("cannot set ZeroMQ option {} to {}", option, value));
}

absl::Status Configure(void* socket, ZmqSocket::Kind kind, const ZmqSocket::Limits& limits) {
  const struct {
    int option, value;
  } options[] = {
      {ZMQ_LINGER, 0},
      {ZMQ_SNDHWM, limits.queue_messages},
      {ZMQ_RCVHWM, limits.queue_messages},
      {ZMQ_HEARTBEAT_IVL, 2000},
      {ZMQ_HEARTBEAT_TIMEOUT, 6000},
      {ZMQ_HEARTBEAT_TTL, 6000},
      {ZMQ_HANDSHAKE_IVL, 5000},
      {ZMQ_RECONNECT_IVL, 50},
      {ZMQ_RECONNECT_IVL_MAX, 1000},
      // ROUTER: an unknown or congested peer is an error and not a silent loss.
      // DEALER: nothing is queued for a peer that is not connected.
      {kind == ZmqSocket::Kind::kRouter ? ZMQ_ROUTER_MANDATORY : ZMQ_IMMEDIATE, 1},
  };
  for (const auto& [option, value] : options) {
    MILLRACE_RETURN_IF_ERROR(SetOption(socket, option, value));
  }
  const auto limit = static_cast<int64_t>(limits.max_receive_bytes);
  if (::zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &limit, sizeof(limit)) != 0) {
    return ZmqError("cannot set ZMQ_MAXMSGSIZE");
  }
  return absl::OkStatus();
}

absl::Status SendError(int error) {
  if (error == EAGAIN) return absl::ResourceExhaustedError("ZeroMQ queue is full");
  if (error == EHOSTUNREACH) return absl::UnavailableError("ZeroMQ peer is gone");
  return absl::InternalError(fmt::format("ZeroMQ send: {}", ::zmq_strerror(error)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZmqSocket>> ZmqSocket::Create(ZmqContext& context, Kind kind,
                                                             const Limits& limits) {
  void* socket = ::zmq_socket(context.get(), kind == Kind::kRouter ? ZMQ_ROUTER : ZMQ_DEALER);
  if (socket == nullptr) return ZmqError("cannot make a ZeroMQ socket");
  std::unique_ptr<ZmqSocket> made(new ZmqSocket(socket, kind, limits));
  MILLRACE_RETURN_IF_ERROR(Configure(socket, kind, limits));
  return made;
}

ZmqSocket::~ZmqSocket() { ::zmq_close(socket_); }

absl::StatusOr<std::string> ZmqSocket::Bind(std::string_view host) {
  MILLRACE_RETURN_IF_ERROR(CheckLoopback(host));
  const std::string address = fmt::format("tcp://{}:*", host);
  if (::zmq_bind(socket_, address.c_str()) != 0) {
    return ZmqError(fmt::format("cannot bind {}", address));
  }
  char endpoint[256];
  size_t length = sizeof(endpoint);
  if (::zmq_getsockopt(socket_, ZMQ_LAST_ENDPOINT, endpoint, &length) != 0) {
    return ZmqError("ZMQ_LAST_ENDPOINT");
  }
  return std::string(endpoint);
}

absl::Status ZmqSocket::Connect(const std::string& endpoint) {
  if (::zmq_connect(socket_, endpoint.c_str()) == 0) return absl::OkStatus();
  return ZmqError(fmt::format("cannot connect to \"{}\"", endpoint));
}

absl::Status ZmqSocket::Send(std::string_view peer,
                             std::span<const std::span<const std::byte>> parts) {
  size_t bytes = 0;
  for (const auto& part : parts) bytes += part.size();
  if (bytes > limits_.max_send_bytes) {
    return absl::InvalidArgumentError(fmt::format("message is too large: at most {} bytes, got {}",
                                                  limits_.max_send_bytes, bytes));
  }
  zmq_msg_t message;
  if (::zmq_msg_init_size(&message, bytes) != 0) {
    return absl::ResourceExhaustedError(fmt::format("no memory for {} bytes", bytes));
  }
  auto* out = static_cast<std::byte*>(::zmq_msg_data(&message));
  for (const auto& part : parts) {
    if (!part.empty()) std::memcpy(out, part.data(), part.size());
    out += part.size();
  }
  // Once a ROUTER has taken the routing id, the frame behind it goes out without waiting.
  if (kind_ == Kind::kRouter &&
      ::zmq_send(socket_, peer.data(), peer.size(), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
    const int error = errno;
    ::zmq_msg_close(&message);
    return SendError(error);
  }
  if (::zmq_msg_send(&message, socket_, ZMQ_DONTWAIT) < 0) {
    const int error = errno;
    ::zmq_msg_close(&message);
    return SendError(error);
  }
  return absl::OkStatus();
}

bool ZmqSocket::MoreFrames() const {
  int more = 0;
  size_t size = sizeof(more);
  return ::zmq_getsockopt(socket_, ZMQ_RCVMORE, &more, &size) == 0 && more != 0;
}

void ZmqSocket::DropRest() {
  ZmqFrame dropped;
  while (MoreFrames() && ::zmq_msg_recv(&dropped.message_, socket_, ZMQ_DONTWAIT) >= 0) {
  }
}

bool ZmqSocket::Receive(ZmqFrame& frame) {
  while (true) {
    if (kind_ == Kind::kRouter) {
      if (::zmq_msg_recv(&frame.message_, socket_, ZMQ_DONTWAIT) < 0) return false;
      const auto id = frame.bytes();
      frame.peer_.assign(reinterpret_cast<const char*>(id.data()), id.size());
      if (!MoreFrames()) continue;
    }
    if (::zmq_msg_recv(&frame.message_, socket_, ZMQ_DONTWAIT) < 0) return false;
    if (!MoreFrames()) return true;
    DropRest();
  }
}

void ZmqSocket::SetLinger(std::chrono::milliseconds linger) {
  const int value = static_cast<int>(linger.count());
  ::zmq_setsockopt(socket_, ZMQ_LINGER, &value, sizeof(value));
}

bool ZmqSocket::Writable() const {
  int events = 0;
  size_t size = sizeof(events);
  return ::zmq_getsockopt(socket_, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLOUT) != 0;
}

}  // namespace millrace
