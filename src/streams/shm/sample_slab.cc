#include "streams/shm/sample_slab.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "millrace/core/check.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr uint64_t kMagic = 0x31304C534C4C494D;  // "MILLSL01"
constexpr size_t kControlOffset = AlignSlab(sizeof(SampleSlabHeader));
constexpr size_t kStatesOffset = kControlOffset + AlignSlab(sizeof(SampleSlabControl));
constexpr size_t kPayloadOffset = AlignSlab(sizeof(SegmentHeader));  // within a slot

size_t PayloadBytes(const SampleStreamSpec& spec) {
  return Layout(spec.schema, spec.extents).total_bytes();
}

size_t SlotsOffset(uint32_t slots) {
  return kStatesOffset + AlignSlab(size_t{slots} * sizeof(uint64_t));
}

SampleSlabHeader MakeHeader(const SampleStreamSpec& spec, uint32_t slots, uint32_t producer,
                            uint32_t incarnation) {
  return {.magic = kMagic,
          .schema_hash = spec.schema.hash(),
          .steps = spec.extents.steps,
          .rows = spec.extents.rows,
          .chunks = spec.extents.chunks,
          .environments = spec.environments,
          .snapshot_capacity = spec.snapshot_capacity,
          .slots = slots,
          .producer = producer,
          .incarnation = incarnation,
          .env_steps_each = spec.env_steps_each(),
          .reserved = 0,
          .slot_stride =
              kPayloadOffset + PayloadBytes(spec) + AlignSlab(size_t{spec.snapshot_capacity})};
}

size_t TotalBytes(const SampleSlabHeader& header) {
  return SlotsOffset(header.slots) + header.slots * header.slot_stride;
}

std::string Describe(const SampleSlabHeader& header) {
  return fmt::format("schema {:016x}, T={} B={} C={} E={}, snapshots of {} bytes",
                     header.schema_hash, header.steps, header.rows, header.chunks,
                     header.environments, header.snapshot_capacity);
}

}  // namespace

SampleSlab::SampleSlab(SlabMemory memory, const SampleSlabHeader& header, size_t payload_bytes)
    : memory_(std::move(memory)), header_(header), payload_bytes_(payload_bytes) {}

absl::StatusOr<SampleSlab> SampleSlab::Create(SlabStore& store, const std::string& name,
                                              const SampleStreamSpec& spec, uint32_t slots,
                                              uint32_t producer, uint32_t incarnation) {
  if (slots == 0 || slots > kMaxSlots) {
    return absl::InvalidArgumentError(
        fmt::format("slots of a sample stream: expected 1 to {}, got {}", kMaxSlots, slots));
  }
  const SampleSlabHeader header = MakeHeader(spec, slots, producer, incarnation);
  MILLRACE_ASSIGN_OR_RETURN(SlabMemory memory, store.Create(name, TotalBytes(header)));
  *memory.At<SampleSlabHeader>(0) = header;
  return SampleSlab(std::move(memory), header, PayloadBytes(spec));
}

absl::StatusOr<SampleSlab> SampleSlab::Open(SlabStore& store, const std::string& address,
                                            const SampleStreamSpec& spec, uint32_t producer,
                                            uint32_t incarnation) {
  MILLRACE_ASSIGN_OR_RETURN(SlabMemory memory, store.Open(address, kStatesOffset));
  const SampleSlabHeader header = *memory.At<SampleSlabHeader>(0);
  if (header.magic != kMagic || header.producer != producer || header.incarnation != incarnation ||
      header.slots == 0 || header.slots > kMaxSlots) {
    return absl::DataLossError(fmt::format("{}: expected a sample slab of producer {}.{}", address,
                                           producer, incarnation));
  }
  const SampleSlabHeader expected = MakeHeader(spec, header.slots, producer, incarnation);
  if (header != expected) {
    return absl::InvalidArgumentError(
        fmt::format("{}: expected {}; got {}", address, Describe(expected), Describe(header)));
  }
  if (memory.bytes.size() < TotalBytes(header)) {
    return absl::DataLossError(fmt::format("{}: expected {} bytes, got {}", address,
                                           TotalBytes(header), memory.bytes.size()));
  }
  return SampleSlab(std::move(memory), header, PayloadBytes(spec));
}

SampleSlabControl& SampleSlab::control() const {
  return *memory_.At<SampleSlabControl>(kControlOffset);
}

std::atomic<uint64_t>& SampleSlab::state(int slot) const {
  return memory_.At<std::atomic<uint64_t>>(kStatesOffset)[slot];
}

size_t SampleSlab::SlotOffset(int slot) const {
  MILLRACE_CHECK(slot >= 0 && slot < slots(), "no such slot");
  return SlotsOffset(header_.slots) + static_cast<size_t>(slot) * header_.slot_stride;
}

SegmentHeader* SampleSlab::segment(int slot) const {
  return memory_.At<SegmentHeader>(SlotOffset(slot));
}

std::byte* SampleSlab::payload(int slot) const {
  return memory_.At<std::byte>(SlotOffset(slot) + kPayloadOffset);
}

std::byte* SampleSlab::snapshot(int slot) const { return payload(slot) + payload_bytes_; }

}  // namespace millrace
