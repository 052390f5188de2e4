#include "data/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "core/crc32c.h"

namespace millrace {
namespace {

using Bytes = std::vector<std::byte>;

struct Body {
  uint64_t a = 0;
  uint32_t b = 0;
  uint32_t c = 0;
};

Bytes Payload(size_t size) {
  Bytes payload(size);
  for (size_t i = 0; i < size; ++i) payload[i] = static_cast<std::byte>(i * 7);
  return payload;
}

Bytes Encode(WireType type, const Body& body, const Bytes& payload) {
  const WireHeader header =
      MakeWireHeader(type, BytesOf(body), payload.size(), Crc32c(std::span(payload)));
  Bytes frame;
  for (const auto part : {BytesOf(header), BytesOf(body), std::span<const std::byte>(payload)}) {
    frame.insert(frame.end(), part.begin(), part.end());
  }
  return frame;
}

Bytes Good() { return Encode(WireType::kSampleSegment, {1, 2, 3}, Payload(100)); }

// Replaces a header field and makes the header checksum right again.
template <typename Field>
Bytes WithField(Field WireHeader::*field, Field value) {
  Bytes frame = Good();
  WireHeader header;
  std::memcpy(&header, frame.data(), sizeof(header));
  header.*field = value;
  header.header_crc = 0;
  const std::span<const std::byte> body(frame.data() + sizeof(header), sizeof(Body));
  header.header_crc = Crc32c(body, Crc32c(BytesOf(header)));
  std::memcpy(frame.data(), &header, sizeof(header));
  return frame;
}

TEST(Wire, RoundTripKeepsTypeBodyAndPayload) {
  const Bytes frame = Good();
  const WireMessage message = DecodeWire(frame, 100);
  ASSERT_TRUE(message.ok()) << Name(message.fault);
  EXPECT_EQ(message.type, WireType::kSampleSegment);
  EXPECT_THAT(message.payload, testing::ElementsAreArray(Payload(100)));
  EXPECT_TRUE(PayloadIntact(message));
  const auto body = WireBody<Body>(message);
  ASSERT_TRUE(body.has_value());
  EXPECT_EQ(body->a, 1u);
  EXPECT_EQ(body->c, 3u);
}

TEST(Wire, BodyOfAnotherSizeIsRefused) {
  const Bytes frame = Good();
  EXPECT_FALSE(WireBody<uint64_t>(DecodeWire(frame, 100)).has_value());
}

TEST(Wire, EveryTruncationIsRefused) {
  const Bytes frame = Good();
  for (size_t size = 0; size < frame.size(); ++size) {
    EXPECT_EQ(DecodeWire(std::span(frame).first(size), 100).fault, WireFault::kTruncated) << size;
  }
}

TEST(Wire, TrailingBytesAndLargePayloadsAreOversized) {
  Bytes frame = Good();
  EXPECT_EQ(DecodeWire(frame, 99).fault, WireFault::kOversized);
  frame.push_back({});
  EXPECT_EQ(DecodeWire(frame, 1000).fault, WireFault::kOversized);
}

TEST(Wire, ForeignHeadersAreNamedByReason) {
  EXPECT_EQ(DecodeWire(WithField(&WireHeader::magic, 0u), 100).fault, WireFault::kMagic);
  EXPECT_EQ(DecodeWire(WithField(&WireHeader::format, uint16_t{9}), 100).fault, WireFault::kFormat);
}

TEST(Wire, SizesThatWouldOverflowAreRefused) {
  EXPECT_EQ(DecodeWire(WithField(&WireHeader::payload_bytes, ~uint64_t{0}), 100).fault,
            WireFault::kTruncated);
  EXPECT_EQ(DecodeWire(WithField(&WireHeader::body_bytes, ~uint32_t{0}), 100).fault,
            WireFault::kTruncated);
  // Two sizes that are wrong alone and right in sum move the border between body and payload.
  EXPECT_FALSE(DecodeWire(WithField(&WireHeader::body_bytes, uint32_t{20}), 100).ok());
}

TEST(Wire, EveryFlippedBitIsFound) {
  const Bytes good = Good();
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes frame = good;
    frame[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    const WireMessage message = DecodeWire(frame, 1000);
    EXPECT_FALSE(message.ok() && PayloadIntact(message)) << "bit " << bit;
  }
}

TEST(Wire, RandomBytesAreNeverAccepted) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    Bytes frame(random() % 200);
    for (std::byte& byte : frame) byte = static_cast<std::byte>(random());
    // Half of them get past the magic number.
    if (i % 2 == 0 && frame.size() >= 6) {
      const WireHeader header;
      std::memcpy(frame.data(), &header, 6);
    }
    EXPECT_FALSE(DecodeWire(frame, 1000).ok());
  }
}

TEST(WireFaultCounts, AsksForLogLinesAtPowersOfTwo) {
  WireFaultCounts counts;
  int lines = 0;
  for (int i = 0; i < 1000; ++i) lines += counts.Add(WireFault::kMagic) ? 1 : 0;
  EXPECT_EQ(lines, 10);  // 1, 2, 4, ..., 512
  EXPECT_EQ(counts.count(WireFault::kMagic), 1000u);
  EXPECT_EQ(counts.count(WireFault::kFormat), 0u);
}

}  // namespace
}  // namespace millrace
