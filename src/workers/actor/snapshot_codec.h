// A sequence of byte strings as one: what a group's snapshot is made of. Private to deterministic
// runs; the checkpoint stores it opaquely.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/core/status.h"

namespace millrace {

class SnapshotWriter {
 public:
  void Add(const std::string& bytes) {
    const uint64_t size = bytes.size();
    data_.append(reinterpret_cast<const char*>(&size), sizeof(size));
    data_.append(bytes);
  }
  template <typename T>
  void AddVector(const std::vector<T>& values) {
    Add(std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)));
  }
  std::string Take() { return std::move(data_); }

 private:
  std::string data_;
};

// Bounds-checked; kDataLoss on anything that does not fit.
class SnapshotReader {
 public:
  explicit SnapshotReader(const std::string& data) : data_(data) {}

  absl::StatusOr<std::string> Next() {
    uint64_t size = 0;
    if (data_.size() - position_ < sizeof(size))
      return absl::DataLossError("snapshot is cut short");
    std::memcpy(&size, data_.data() + position_, sizeof(size));
    position_ += sizeof(size);
    if (data_.size() - position_ < size) return absl::DataLossError("snapshot is cut short");
    std::string bytes = data_.substr(position_, size);
    position_ += size;
    return bytes;
  }
  // The vector keeps its length; another one is an error.
  template <typename T>
  absl::Status NextVector(std::vector<T>& values) {
    MILLRACE_ASSIGN_OR_RETURN(const std::string bytes, Next());
    if (bytes.size() != values.size() * sizeof(T)) {
      return absl::DataLossError("snapshot does not fit this experiment");
    }
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return absl::OkStatus();
  }

 private:
  const std::string& data_;
  size_t position_ = 0;
};

}  // namespace millrace
