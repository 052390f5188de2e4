#include "streams/shm/weight_file.h"

#include <atomic>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/copy.h"
#include "core/crc32c.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr uint64_t kFormat = 0x3156524D;  // "MRV1"
constexpr size_t kDataOffset = 4096;
constexpr size_t kAlignment = 64;
constexpr int kReadAttempts = 64;
constexpr int kVersionAttempts = 1'000'000;

// Never 0, which is what a new file holds.
uint64_t IdentityOf(const WeightSpec& spec) {
  const uint64_t parts[] = {kFormat, spec.layout_hash, spec.bytes};
  return (spec.layout_hash << 32) ^ spec.layout_hash ^ (uint64_t{1} << 63) ^
         Crc32c(std::as_bytes(std::span(parts)));
}

// Returns the checksum, or 0 without one.
uint32_t CopyVersion(std::span<std::byte> to, std::span<const std::byte> from, bool checksum) {
  if (checksum) return CopyWithCrc32c(to, from);
  CopyBytes(to, from);
  return 0;
}

}  // namespace

struct WeightFile::Slot {
  std::atomic<uint64_t> serial;  // odd while the slot is being written
  std::atomic<uint64_t> epoch;
  std::atomic<uint64_t> version;
  std::atomic<uint32_t> crc;  // 0: none
};

struct WeightFile::Header {
  std::atomic<uint64_t> identity;
  std::atomic<uint32_t> current;  // 1 + the slot that holds the newest version; 0: none
  Slot slots[2];
};

WeightFile::WeightFile(std::unique_ptr<MappedFile> file, const WeightSpec& spec)
    : file_(std::move(file)),
      bytes_(spec.bytes),
      checksum_(spec.checksum),
      header_(file_->At<Header>(0)) {
  static_assert(sizeof(Header) <= kDataOffset);
}

size_t WeightFile::SlotBytes(size_t blob_bytes) {
  return (blob_bytes + kAlignment - 1) / kAlignment * kAlignment;
}

size_t WeightFile::FileBytes(size_t blob_bytes) { return kDataOffset + 2 * SlotBytes(blob_bytes); }

std::span<std::byte> WeightFile::SlotData(uint32_t slot) const {
  return {file_->data() + kDataOffset + slot * SlotBytes(bytes_), bytes_};
}

absl::StatusOr<std::unique_ptr<WeightFile>> WeightFile::Check(std::unique_ptr<MappedFile> file,
                                                              const WeightSpec& spec) {
  if (file->size() == FileBytes(spec.bytes)) {
    // Whoever comes first names the layout.
    uint64_t found = 0;
    const uint64_t wanted = IdentityOf(spec);
    auto& identity = file->At<Header>(0)->identity;
    if (identity.compare_exchange_strong(found, wanted) || found == wanted) {
      return std::unique_ptr<WeightFile>(new WeightFile(std::move(file), spec));
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat(file->path().string(), " holds weights of another parameter layout"));
}

absl::StatusOr<std::unique_ptr<WeightFile>> WeightFile::OpenOrCreate(
    const std::filesystem::path& path, const WeightSpec& spec) {
  MILLRACE_ASSIGN_OR_RETURN(auto file, MappedFile::OpenOrCreate(path, FileBytes(spec.bytes)));
  return Check(std::move(file), spec);
}

absl::StatusOr<std::unique_ptr<WeightFile>> WeightFile::Open(const std::filesystem::path& path,
                                                             const WeightSpec& spec) {
  MILLRACE_ASSIGN_OR_RETURN(auto file, MappedFile::Open(path, sizeof(Header)));
  return Check(std::move(file), spec);
}

uint32_t WeightFile::NextSlot() const { return header_->current.load() == 1 ? 1 : 0; }

// Marks the slot as being written.
void WeightFile::Begin(uint32_t index) {
  Slot& slot = header_->slots[index];
  // Odd, and not the number a writer killed in the middle may have left.
  slot.serial.store((slot.serial.load() | 1) + 2);
  // The fences order the plain copy between the two stores of `serial`, and the readers' copy
  // between their two loads (the sequence lock of Boehm 2012, "Can seqlocks get along with
  // programming language memory models?", figure 6).
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

void WeightFile::Finish(uint32_t index, WeightVersion version, uint32_t crc) {
  Slot& slot = header_->slots[index];
  slot.epoch.store(version.epoch);
  slot.version.store(version.version);
  slot.crc.store(crc);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  slot.serial.fetch_add(1);
  header_->current.store(index + 1);
}

void WeightFile::Write(WeightVersion version, std::span<const std::byte> blob) {
  MILLRACE_CHECK(blob.size() == bytes_, "WeightFile::Write with a blob of another size");
  const uint32_t index = NextSlot();
  Begin(index);
  Finish(index, version, CopyVersion(SlotData(index), blob, checksum_));
}

absl::StatusOr<WeightVersion> WeightFile::CopyNewest(const WeightFile& from) {
  const uint32_t index = NextSlot();
  Begin(index);
  uint32_t crc = 0;
  MILLRACE_ASSIGN_OR_RETURN(const Stamp stamp,
                            from.CopyOut([&](std::span<const std::byte> bytes, uint32_t expected) {
                              crc = CopyVersion(SlotData(index), bytes, expected != 0);
                            }));
  if (crc != stamp.crc) {
    return absl::DataLossError(absl::StrCat(from.file_->path().string(), ": checksum mismatch"));
  }
  if (stamp.version > newest()) Finish(index, stamp.version, stamp.crc);
  return stamp.version;
}

WeightVersion WeightFile::newest() const {
  for (int attempt = 0; attempt < kVersionAttempts; ++attempt) {
    const uint32_t current = header_->current.load();
    if (current == 0 || current > 2) return {};
    const Slot& slot = header_->slots[current - 1];
    const uint64_t serial = slot.serial.load();
    const WeightVersion version{slot.epoch.load(), slot.version.load()};
    // A slot in the middle of a rewrite is no longer the current one: look again.
    if ((serial & 1) == 0 && slot.serial.load() == serial) return version;
  }
  return {};  // damaged by a foreign hand: the current slot is never odd for long
}

absl::StatusOr<WeightVersion> WeightFile::Read(std::span<std::byte> blob) const {
  MILLRACE_ASSIGN_OR_RETURN(const Stamp stamp,
                            CopyOut([&](std::span<const std::byte> bytes, uint32_t) {
                              if (!bytes.empty())
                                std::memcpy(blob.data(), bytes.data(), bytes.size());
                            }));
  return stamp.version;
}

absl::StatusOr<WeightFile::Stamp> WeightFile::CopyOut(
    const std::function<void(std::span<const std::byte>, uint32_t crc)>& copy) const {
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    const uint32_t current = header_->current.load();
    if (current == 0 || current > 2) return absl::UnavailableError("no weights are there yet");
    const Slot& slot = header_->slots[current - 1];
    const uint64_t serial = slot.serial.load();
    if ((serial & 1) != 0) continue;
    std::atomic_thread_fence(std::memory_order_seq_cst);
    copy(SlotData(current - 1), slot.crc.load());
    const Stamp stamp{{slot.epoch.load(), slot.version.load()}, slot.crc.load()};
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (slot.serial.load() == serial) return stamp;
  }
  return absl::UnavailableError("weights change faster than they can be read");
}

}  // namespace millrace
