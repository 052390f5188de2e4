#include "core/copy.h"

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace millrace {

void CopyPart(std::byte* to, std::span<const std::byte> from, size_t whole) {
  size_t done = 0;
#if defined(__x86_64__)
  constexpr size_t kPastCaches = size_t{4} << 20;
  constexpr size_t kVector = sizeof(__m128i);
  if (whole >= kPastCaches && reinterpret_cast<uintptr_t>(to) % kVector == 0) {
    for (; done + kVector <= from.size(); done += kVector) {
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + done),
                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(from.data() + done)));
    }
    _mm_sfence();  // before whatever tells others that the bytes are there
  }
#endif
  if (done < from.size()) std::memcpy(to + done, from.data() + done, from.size() - done);
}

}  // namespace millrace
