// The header of a sample segment: what an actor posts and a trainer consumes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "core/crc32c.h"

namespace millrace {

// Permission to start one segment. Rank 0 of the trainer group grants it and names the rank that
// will consume the segment. One batch of credits is granted per policy version (design:
// docs/concepts.md).
struct Credit {
  uint64_t epoch = 0;  // trainer group formation that granted it; other epochs' credits are void
  uint64_t batch = 0;  // the batch this segment will be part of
  uint64_t min_version = 0;  // the policy must be at least this new when the segment begins
  uint32_t rank = 0;         // the consumer
  uint32_t slot = 0;         // of a dataset: which segment of the batch
  bool operator==(const Credit&) const = default;
};
static_assert(std::is_trivially_copyable_v<Credit> && sizeof(Credit) == 32);

// A segment is [T + bootstrap, B, ...]: T steps of the E environments of one group, B = E x A rows.
// A *lane* is (stream, producer incarnation, consumer rank); sequence numbers count within a lane.
// Part of the shared-memory and wire formats: little-endian, fixed size.
struct SegmentHeader {
  uint64_t sequence = 0;  // within the lane, from 1
  uint64_t schema_hash = 0;
  uint32_t producer = 0;     // actor index
  uint32_t incarnation = 0;  // of the actor
  uint32_t group = 0;
  uint32_t environments = 0;    // E
  int32_t steps = 0;            // T
  int32_t rows = 0;             // B
  int32_t chunks = 0;           // C
  uint32_t snapshot_bytes = 0;  // opaque producer state behind the payload (deterministic runs)
  Credit credit;
  uint64_t version_min = 0;  // oldest and newest policy version that chose actions in it
  uint64_t version_max = 0;
  uint32_t payload_crc = 0;  // CRC-32C of payload and snapshot; 0 = not computed (shared memory)
  uint32_t reserved = 0;
};
static_assert(std::is_trivially_copyable_v<SegmentHeader> && sizeof(SegmentHeader) == 104);

// What SegmentHeader::payload_crc holds where it is computed.
inline uint32_t SegmentCrc(std::span<const std::byte> payload,
                           std::span<const std::byte> snapshot) {
  return Crc32c(snapshot, Crc32c(payload));
}

}  // namespace millrace
