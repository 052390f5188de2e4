// The frame around every message between processes that do not share memory:
//
//     WireHeader | body: one fixed-size struct per type | payload
//
// Little-endian, one frame per message. Frames are foreign bytes: nothing of one is used before its
// header, its sizes and its checksum agree.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace millrace {

inline constexpr uint32_t kWireMagic = 0x31575A4D;  // "MZW1"
inline constexpr uint16_t kWireFormat = 2;

// The numbers are part of the wire format.
enum class WireType : uint16_t {
  kSampleHello = 1,  // producer -> consumer
  kSampleWant = 2,
  kSampleSegment = 3,
  kSampleAck = 4,  // consumer -> producer
  kSampleCredit = 5,
  kSampleRefuse = 6,
  kSampleBye = 7,        // producer -> consumer
  kInferenceHello = 16,  // client -> server
  kInferenceRequest = 17,
  kInferenceReply = 18,  // server -> client
  kInferenceRefuse = 19,
  kInferenceBye = 20,  // client -> server
};

struct WireHeader {
  uint32_t magic = kWireMagic;
  uint16_t format = kWireFormat;
  uint16_t type = 0;
  uint32_t body_bytes = 0;
  uint32_t payload_crc = 0;  // CRC-32C of the payload
  uint64_t payload_bytes = 0;
  uint32_t header_crc = 0;  // CRC-32C of this header, with 0 in this field, and the body
  uint32_t reserved = 0;
};
static_assert(std::is_trivially_copyable_v<WireHeader> && sizeof(WireHeader) == 32);

// Why a frame was dropped.
enum class WireFault : uint8_t {
  kNone,
  kTruncated,   // shorter than a header, or than its header says
  kMagic,       // not one of our frames
  kFormat,      // of another protocol version
  kOversized,   // longer than its header says, or than this receiver takes
  kHeaderCrc,   // header or body damaged
  kPayloadCrc,  // payload damaged
  kType,        // a type this receiver does not expect
  kBody,        // a body of the wrong size or with values out of range
};
inline constexpr int kNumWireFaults = 9;
std::string_view Name(WireFault fault);

// A frame that has been checked, payload checksum excepted. Points into the frame.
struct WireMessage {
  WireFault fault = WireFault::kNone;  // the rest is valid only if kNone
  WireType type{};
  uint32_t payload_crc = 0;
  std::span<const std::byte> body;
  std::span<const std::byte> payload;
  bool ok() const { return fault == WireFault::kNone; }
};

// Checks everything but the payload's checksum. `max_payload` bounds the payload in bytes. Reads
// every byte of header and body, none of the payload.
WireMessage DecodeWire(std::span<const std::byte> frame, size_t max_payload);
bool PayloadIntact(const WireMessage& message);

// The header of a message with these parts.
WireHeader MakeWireHeader(WireType type, std::span<const std::byte> body, size_t payload_bytes,
                          uint32_t payload_crc);

// Structs whose bytes are their value may travel as bodies.
template <typename T>
concept WireStruct = std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T>;

template <WireStruct Body>
std::span<const std::byte> BytesOf(const Body& body) {
  return std::as_bytes(std::span(&body, 1));
}

// The body as a struct; nullopt if it has another size.
template <WireStruct Body>
std::optional<Body> WireBody(const WireMessage& message) {
  if (message.body.size() != sizeof(Body)) return std::nullopt;
  Body body;
  std::memcpy(static_cast<void*>(&body), message.body.data(), sizeof(Body));
  return body;
}

// How many frames were dropped, by reason. Bound to one thread.
class WireFaultCounts {
 public:
  // True if this fault is worth a log line: the 1st, 2nd, 4th, 8th, ... of its kind.
  bool Add(WireFault fault);
  uint64_t count(WireFault fault) const { return counts_[static_cast<size_t>(fault)]; }

 private:
  std::array<uint64_t, kNumWireFaults> counts_{};
};

}  // namespace millrace
