// The newest version of one policy's weights in a mapped file, double-buffered: a writer killed at
// any instruction leaves the version before it readable.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/mapped_file.h"
#include "streams/weight_stream.h"

namespace millrace {

// Any number of readers, one writer at a time (in any process); who that is, the users settle.
class WeightFile {
 public:
  // kInvalidArgument if the file exists with another layout.
  static absl::StatusOr<std::unique_ptr<WeightFile>> OpenOrCreate(const std::filesystem::path& path,
                                                                  const WeightSpec& spec);
  // kNotFound if there is no such file.
  static absl::StatusOr<std::unique_ptr<WeightFile>> Open(const std::filesystem::path& path,
                                                          const WeightSpec& spec);

  // Replaces the newest version. `blob` is WeightSpec::bytes long; its checksum goes with it if the
  // spec says so.
  void Write(WeightVersion version, std::span<const std::byte> blob);
  // Replaces it by another file's newest version if that is newer, whose number is returned.
  //   kDataLoss  the bytes do not match their checksum; else as Read()
  absl::StatusOr<WeightVersion> CopyNewest(const WeightFile& from);
  WeightVersion newest() const;  // {0, 0} if there is none
  // Copies the newest version. The checksum is for the one that copies between files: ten readers
  // of 10 MB would spend a third of their time on it.
  //   kUnavailable  there is none, or the writer outran 64 attempts
  absl::StatusOr<WeightVersion> Read(std::span<std::byte> blob) const;

 private:
  struct Slot;
  struct Header;
  struct Stamp {
    WeightVersion version;
    uint32_t crc = 0;  // 0: none
  };
  WeightFile(std::unique_ptr<MappedFile> file, const WeightSpec& spec);
  static absl::StatusOr<std::unique_ptr<WeightFile>> Check(std::unique_ptr<MappedFile> file,
                                                           const WeightSpec& spec);
  static size_t SlotBytes(size_t blob_bytes);
  static size_t FileBytes(size_t blob_bytes);
  std::span<std::byte> SlotData(uint32_t slot) const;
  uint32_t NextSlot() const;
  void Begin(uint32_t index);
  void Finish(uint32_t index, WeightVersion version, uint32_t crc);
  // Runs `copy` on the newest version's bytes and checksum, again if they were overwritten
  // meanwhile.
  absl::StatusOr<Stamp> CopyOut(
      const std::function<void(std::span<const std::byte>, uint32_t crc)>& copy) const;

  const std::unique_ptr<MappedFile> file_;
  const size_t bytes_;
  const bool checksum_;
  Header* const header_;
};

}  // namespace millrace
