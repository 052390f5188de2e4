#include "data/wire.h"

#include <bit>

#include "core/crc32c.h"

namespace millrace {
namespace {

uint32_t HeaderCrc(WireHeader header, std::span<const std::byte> body) {
  header.header_crc = 0;
  return Crc32c(body, Crc32c(BytesOf(header)));
}

}  // namespace

std::string_view Name(WireFault fault) {
  static constexpr std::string_view kNames[kNumWireFaults] = {
      "none",      "truncated",  "bad magic",   "other protocol version",
      "oversized", "header CRC", "payload CRC", "unexpected type",
      "bad body"};
  return kNames[static_cast<size_t>(fault)];
}

WireMessage DecodeWire(std::span<const std::byte> frame, size_t max_payload) {
  WireMessage message;
  const auto fail = [&message](WireFault fault) {
    message.fault = fault;
    return message;
  };
  if (frame.size() < sizeof(WireHeader)) return fail(WireFault::kTruncated);
  WireHeader header;
  std::memcpy(&header, frame.data(), sizeof(header));
  if (header.magic != kWireMagic) return fail(WireFault::kMagic);
  if (header.format != kWireFormat) return fail(WireFault::kFormat);
  // Each size is compared with what is left, so that no sum can overflow.
  const size_t behind_header = frame.size() - sizeof(header);
  if (header.body_bytes > behind_header) return fail(WireFault::kTruncated);
  const size_t behind_body = behind_header - header.body_bytes;
  if (header.payload_bytes > behind_body) return fail(WireFault::kTruncated);
  if (header.payload_bytes < behind_body) return fail(WireFault::kOversized);
  if (header.payload_bytes > max_payload) return fail(WireFault::kOversized);
  message.body = frame.subspan(sizeof(header), header.body_bytes);
  message.payload = frame.subspan(sizeof(header) + header.body_bytes);
  if (HeaderCrc(header, message.body) != header.header_crc) return fail(WireFault::kHeaderCrc);
  message.type = static_cast<WireType>(header.type);
  message.payload_crc = header.payload_crc;
  return message;
}

bool PayloadIntact(const WireMessage& message) {
  return Crc32c(message.payload) == message.payload_crc;
}

WireHeader MakeWireHeader(WireType type, std::span<const std::byte> body, size_t payload_bytes,
                          uint32_t payload_crc) {
  WireHeader header;
  header.type = static_cast<uint16_t>(type);
  header.body_bytes = static_cast<uint32_t>(body.size());
  header.payload_bytes = payload_bytes;
  header.payload_crc = payload_crc;
  header.header_crc = HeaderCrc(header, body);
  return header;
}

bool WireFaultCounts::Add(WireFault fault) {
  return std::has_single_bit(++counts_[static_cast<size_t>(fault)]);
}

}  // namespace millrace
