// Saved environment states as byte strings. They are read back by the same build on the same kind
// of machine (deterministic resume), so values are stored as they lie in memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"

namespace millrace {

class StateWriter {
 public:
  template <typename T>
  requires std::is_trivially_copyable_v<T>
  void Put(const T& value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T)); }
  void PutString(std::string_view value) {
    Put<uint64_t>(value.size());
    bytes_.append(value);
  }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// A read past the end leaves the value alone and makes Finish() fail.
class StateReader {
 public:
  explicit StateReader(std::string_view bytes) : bytes_(bytes) {}

  template <typename T>
  requires std::is_trivially_copyable_v<T>
  void Get(T& value) {
    if (const std::string_view part = Next(sizeof(T)); ok_) {
      std::memcpy(&value, part.data(), sizeof(T));
    }
  }
  std::string_view GetString() {
    uint64_t size = 0;
    Get(size);
    return Next(size);
  }
  // kDataLoss unless exactly all bytes were read.
  absl::Status Finish() const {
    if (ok_ && bytes_.empty()) return absl::OkStatus();
    return absl::DataLossError("saved environment state: the length is wrong");
  }

 private:
  std::string_view Next(uint64_t size) {
    ok_ = ok_ && size <= bytes_.size();
    if (!ok_) return {};
    const std::string_view part = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return part;
  }

  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace millrace
