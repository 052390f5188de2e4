// The memory of one producer of a sample stream: credits come in, segments go out.
//
//   SampleSlabHeader | SampleSlabControl | slot words | slot 0 | slot 1 | ...
//   slot: SegmentHeader | payload (Layout) | snapshot (snapshot_capacity), each 64-byte aligned
//
// Every word has one writer at a time: the producer turns a slot from free to open to committed,
// the consumer named in the credit turns it from committed to free. All atomics are sequentially
// consistent; a slot's bytes belong to whoever the word says.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/status/statusor.h"
#include "data/segment.h"
#include "streams/sample_stream.h"
#include "streams/shm/credit_ring.h"
#include "streams/shm/slab_store.h"

namespace millrace {

struct SampleSlabHeader {
  uint64_t magic = 0;
  uint64_t schema_hash = 0;
  int32_t steps = 0;
  int32_t rows = 0;
  int32_t chunks = 0;
  int32_t environments = 0;
  uint32_t snapshot_capacity = 0;
  uint32_t slots = 0;
  uint32_t producer = 0;
  uint32_t incarnation = 0;
  uint32_t env_steps_each = 0;
  uint32_t reserved = 0;
  uint64_t slot_stride = 0;
  bool operator==(const SampleSlabHeader&) const = default;
};
static_assert(std::is_trivially_copyable_v<SampleSlabHeader>);

struct SampleSlabControl {
  CreditRing credits;
  alignas(64) std::atomic<uint64_t> wanted;   // cumulative demand, by the producer
  alignas(64) std::atomic<uint64_t> commits;  // segments committed, by the producer
  alignas(64) std::atomic<uint64_t> granter;  // 1 + incarnation of the rank 0 that may grant
};

// What the state word of a slot says. `ordinal` counts the commits of the producer from 1, so no
// word of a slot ever returns.
struct SlotState {
  enum Phase : uint64_t { kFree = 0, kOpen = 1, kCommitted = 2 };
  Phase phase = kFree;
  uint32_t rank = 0;  // below kMaxRanks
  uint64_t ordinal = 0;
  static constexpr uint32_t kMaxRanks = 1 << 16;

  static SlotState Unpack(uint64_t word) {
    return {static_cast<Phase>(word & 3), static_cast<uint32_t>((word >> 2) & (kMaxRanks - 1)),
            word >> 18};
  }
  uint64_t Pack() const { return (ordinal << 18) | (uint64_t{rank} << 2) | phase; }
};

// A view of a slab. The geometry is kept here and never read again from the shared bytes.
class SampleSlab {
 public:
  static constexpr uint32_t kMaxSlots = 1 << 20;

  // kInvalidArgument unless there are 1 to kMaxSlots slots; otherwise as SlabStore::Create.
  static absl::StatusOr<SampleSlab> Create(SlabStore& store, const std::string& name,
                                           const SampleStreamSpec& spec, uint32_t slots,
                                           uint32_t producer, uint32_t incarnation);
  // kInvalidArgument if the slab's schema or extents are not those of `spec`; kDataLoss if it is no
  // slab of this producer at all.
  static absl::StatusOr<SampleSlab> Open(SlabStore& store, const std::string& address,
                                         const SampleStreamSpec& spec, uint32_t producer,
                                         uint32_t incarnation);

  const SampleSlabHeader& header() const { return header_; }
  int slots() const { return static_cast<int>(header_.slots); }
  SampleSlabControl& control() const;
  std::atomic<uint64_t>& state(int slot) const;
  SegmentHeader* segment(int slot) const;
  std::byte* payload(int slot) const;
  std::byte* snapshot(int slot) const;

 private:
  SampleSlab(SlabMemory memory, const SampleSlabHeader& header, size_t payload_bytes);
  size_t SlotOffset(int slot) const;

  SlabMemory memory_;
  SampleSlabHeader header_;
  size_t payload_bytes_;
};

}  // namespace millrace
