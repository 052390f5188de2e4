// ZeroMQ sockets as Millrace uses them: single-frame messages, bounded queues, heartbeats, nothing
// lingering.
#pragma once

#include <zmq.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millrace {

// A ZeroMQ context with one I/O thread. Outlives its sockets. Thread-safe.
class ZmqContext {
 public:
  ZmqContext() : context_(::zmq_ctx_new()) {}
  ~ZmqContext() { ::zmq_ctx_term(context_); }
  ZmqContext(const ZmqContext&) = delete;
  ZmqContext& operator=(const ZmqContext&) = delete;
  void* get() const { return context_; }

 private:
  void* context_;
};

// One received frame and who sent it.
class ZmqFrame {
 public:
  ZmqFrame() { ::zmq_msg_init(&message_); }
  ~ZmqFrame() { ::zmq_msg_close(&message_); }
  ZmqFrame(const ZmqFrame&) = delete;
  ZmqFrame& operator=(const ZmqFrame&) = delete;

  std::string_view peer() const { return peer_; }  // routing id; empty for a DEALER
  std::span<const std::byte> bytes() {
    return {static_cast<const std::byte*>(::zmq_msg_data(&message_)), ::zmq_msg_size(&message_)};
  }

 private:
  friend class ZmqSocket;
  zmq_msg_t message_;
  std::string peer_;
};

// Bound to the thread that creates it.
class ZmqSocket {
 public:
  enum class Kind { kRouter, kDealer };
  struct Limits {
    size_t max_send_bytes = 0;     // per message; larger ones are refused by Send()
    size_t max_receive_bytes = 0;  // larger ones cost the sender its connection
    int queue_messages = 1000;     // per peer and direction
  };
  static absl::StatusOr<std::unique_ptr<ZmqSocket>> Create(ZmqContext& context, Kind kind,
                                                           const Limits& limits);
  ~ZmqSocket();
  ZmqSocket(const ZmqSocket&) = delete;
  ZmqSocket& operator=(const ZmqSocket&) = delete;

  // Listens on a free port of `host` (loopback) and returns the endpoint others connect to.
  absl::StatusOr<std::string> Bind(std::string_view host);
  absl::Status Connect(const std::string& endpoint);

  // Sends the parts, joined, as one frame. Never waits.
  //   kResourceExhausted  the queue to that peer is full, or (DEALER) there is no connection
  //   kUnavailable        (ROUTER) no such peer
  //   kInvalidArgument    the message is larger than Limits::max_send_bytes
  absl::Status Send(std::string_view peer, std::span<const std::span<const std::byte>> parts);
  // Receives the next message into `frame`. False if there is none. Messages of more than one frame
  // are dropped.
  bool Receive(ZmqFrame& frame);
  // DEALER: connected, and the queue has room.
  bool Writable() const;
  // What was sent last has this long to leave when the socket is closed; 0 otherwise.
  void SetLinger(std::chrono::milliseconds linger);
  void* get() const { return socket_; }

 private:
  ZmqSocket(void* socket, Kind kind, const Limits& limits)
      : socket_(socket), kind_(kind), limits_(limits) {}
  void DropRest();
  bool MoreFrames() const;

  void* const socket_;
  const Kind kind_;
  const Limits limits_;
};

}  // namespace millrace
