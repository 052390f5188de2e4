// Memory for payloads.
#pragma once

#include <cstddef>
#include <new>
#include <span>
#include <utility>

namespace millrace {

// Owns zero-filled bytes, aligned as Layout asks.
class AlignedBuffer {
 public:
  static constexpr std::align_val_t kAlignment{64};
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t size);
  ~AlignedBuffer() { ::operator delete(data_, kAlignment); }
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace millrace
