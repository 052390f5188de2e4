// Sending and receiving wire messages (data/wire.h) over a ZeroMQ socket.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/crc32c.h"
#include "data/wire.h"
#include "net/zmq_socket.h"

namespace millrace {

// Longest explanation in a refusal.
inline constexpr size_t kMaxReasonBytes = 1024;
// What a receiver of small messages accepts.
inline constexpr size_t kSmallMessageBytes = 64 * 1024;
// Header and body of any message.
inline constexpr size_t kMaxEnvelopeBytes = 512;

// Sends header, body and the two parts of the payload as one frame; `crc` is the payload's. Errors:
// ZmqSocket::Send.
template <WireStruct Body>
absl::Status SendWire(ZmqSocket& socket, std::string_view peer, WireType type, const Body& body,
                      std::span<const std::byte> payload, std::span<const std::byte> more,
                      uint32_t crc) {
  static_assert(sizeof(WireHeader) + sizeof(Body) <= kMaxEnvelopeBytes);
  const WireHeader header = MakeWireHeader(type, BytesOf(body), payload.size() + more.size(), crc);
  const std::array<std::span<const std::byte>, 4> parts = {BytesOf(header), BytesOf(body), payload,
                                                           more};
  return socket.Send(peer, parts);
}

template <WireStruct Body>
absl::Status SendWire(ZmqSocket& socket, std::string_view peer, WireType type, const Body& body,
                      std::span<const std::byte> payload = {}) {
  return SendWire(socket, peer, type, body, payload, {}, Crc32c(payload));
}

// The explanation a refusal carries.
inline std::string ReasonText(const WireMessage& message) {
  const auto text = message.payload.first(std::min(message.payload.size(), kMaxReasonBytes));
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

}  // namespace millrace
