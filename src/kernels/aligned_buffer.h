// Memory that vector instructions load from.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace millrace {

// 64-byte aligned numbers. Can be moved, not copied. Thread-compatible.
template <typename T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  AlignedBuffer(AlignedBuffer&& other) noexcept { *this = std::move(other); }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    storage_ = std::move(other.storage_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  // Grows to at least `size` numbers; new ones are 0, old contents are lost if it moves.
  void Reserve(size_t size) {
    if (size <= size_) return;
    constexpr size_t kAlignment = 64;
    storage_.assign(size + kAlignment / sizeof(T), T{});
    void* start = storage_.data();
    size_t space = storage_.size() * sizeof(T);
    data_ = static_cast<T*>(std::align(kAlignment, size * sizeof(T), start, space));
    size_ = size;
  }
  T* data() { return data_; }
  const T* data() const { return data_; }

 private:
  std::vector<T> storage_;
  T* data_ = nullptr;
  size_t size_ = 0;
};

using AlignedFloats = AlignedBuffer<float>;

}  // namespace millrace
