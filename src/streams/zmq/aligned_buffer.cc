#include "streams/zmq/aligned_buffer.h"

#include <cstring>

namespace millrace {

AlignedBuffer::AlignedBuffer(size_t size)
    : data_(static_cast<std::byte*>(::operator new(size == 0 ? 1 : size, kAlignment))),
      size_(size) {
  std::memset(data_, 0, size);
}

}  // namespace millrace
