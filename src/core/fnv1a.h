// The hash function of Fowler, Noll and Vo (FNV-1a, 64 bits): for identities, not for security.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace {

class Fnv1a {
 public:
  void Add(const void* data, size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    for (size_t i = 0; i < size; ++i) state_ = (state_ ^ bytes[i]) * 0x100000001B3;
  }
  void Add(std::string_view bytes) { Add(bytes.data(), bytes.size()); }
  // Little-endian, on any machine.
  void Add(uint64_t number) {
    for (int i = 0; i < 8; ++i) {
      const auto byte = static_cast<uint8_t>(number >> (8 * i));
      Add(&byte, 1);
    }
  }
  uint64_t state() const { return state_; }

 private:
  uint64_t state_ = 0xCBF29CE484222325;
};

}  // namespace millrace
