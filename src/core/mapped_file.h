// A file mapped into memory and shared between processes: slabs, rings and ledgers live in these.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"

namespace millrace {

// Owns one shared read-write mapping; unmaps in the destructor and never removes the file.
// Thread-compatible; what the bytes mean, and who may write them, is the user's business.
class MappedFile {
 public:
  // Makes a new zero-filled file of `bytes` (mode 0600), visible under `path` only once it is
  // whole. kAlreadyExists if the path exists; kResourceExhausted if the file system is full.
  static absl::StatusOr<std::unique_ptr<MappedFile>> Create(const std::filesystem::path& path,
                                                            size_t bytes);
  // Maps an existing file as a whole. kNotFound; kDataLoss if it is smaller than `minimum_bytes`.
  static absl::StatusOr<std::unique_ptr<MappedFile>> Open(const std::filesystem::path& path,
                                                          size_t minimum_bytes);
  // Opens the file or creates it; `bytes` is its size. Two processes may race: both get the same
  // file.
  static absl::StatusOr<std::unique_ptr<MappedFile>> OpenOrCreate(const std::filesystem::path& path,
                                                                  size_t bytes);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  const std::filesystem::path& path() const { return path_; }

  // The object that lives at `offset`. The caller has checked that it lies inside the file.
  template <typename T>
  T* At(size_t offset) const {
    return reinterpret_cast<T*>(data_ + offset);
  }

 private:
  MappedFile(std::filesystem::path path, std::byte* data, size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}

  std::filesystem::path path_;
  std::byte* data_;
  size_t size_;
};

}  // namespace millrace
