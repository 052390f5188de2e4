#include "embedding/lookup_sort.h"

#include <array>
#include <bit>
#include <utility>

namespace millrace::embedding {

// By digits, the lowest first: two passes for 4 million rows.
std::span<const Lookup> LookupSort::Sort(std::span<const Lookup> lookups, int64_t places) {
  constexpr int kDigitBits = 11;
  constexpr uint32_t kDigits = 1 << kDigitBits;
  const int bits = std::bit_width(static_cast<uint64_t>(places > 0 ? places - 1 : 0));
  std::span<const Lookup> from = lookups;
  for (auto& buffer : buffers_) buffer.resize(lookups.size());
  int to = 0;
  for (int shift = 0; shift < bits; shift += kDigitBits, to = 1 - to) {
    std::array<uint32_t, kDigits> next{};
    for (const Lookup& lookup : from) ++next[lookup.place >> shift & (kDigits - 1)];
    uint32_t begin = 0;
    for (uint32_t& count : next) begin += std::exchange(count, begin);
    Lookup* const out = buffers_[to].data();
    for (const Lookup& lookup : from) out[next[lookup.place >> shift & (kDigits - 1)]++] = lookup;
    from = buffers_[to];
  }
  return from;
}

}  // namespace millrace::embedding
