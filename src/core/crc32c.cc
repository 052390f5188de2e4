#include "core/crc32c.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/copy.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace millrace {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;  // 0x1EDC6F41, bit-reversed

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? kPolynomial : 0);
    table[i] = value;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kTable = MakeTable();

// Both words are polynomials over GF(2), x^0 in the highest bit; so is the product, modulo the
// CRC's polynomial.
constexpr uint32_t MultiplyModulo(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (; a != 0; a <<= 1) {
    if ((a & 0x80000000u) != 0) product ^= b;
    b = (b >> 1) ^ ((b & 1) != 0 ? kPolynomial : 0);
  }
  return product;
}

// x^(8 * bytes): what a state is multiplied by when so many zero bytes follow.
constexpr uint32_t ZeroBytes(size_t bytes) {
  uint32_t result = 0x80000000u, power = 0x00800000u;  // 1 and x^8
  for (; bytes > 0; bytes >>= 1) {
    if ((bytes & 1) != 0) result = MultiplyModulo(result, power);
    power = MultiplyModulo(power, power);
  }
  return result;
}

#if defined(__x86_64__)
uint64_t Word(const std::byte* data) {
  uint64_t word;
  std::memcpy(&word, data, sizeof(word));
  return word;
}

// The instruction takes three cycles and one can begin in each, so three lanes run side by side and
// are joined at the end: CRCs are linear.
constexpr size_t kLane = 4096;
constexpr uint32_t kOneLane = ZeroBytes(kLane), kTwoLanes = ZeroBytes(2 * kLane);

__attribute__((target("sse4.2"))) uint32_t Crc32cHardware(const std::byte* data, size_t size,
                                                          uint32_t crc) {
  uint64_t state = ~crc;
  for (; size >= 3 * kLane; size -= 3 * kLane, data += 3 * kLane) {
    uint64_t second = 0, third = 0;
    for (size_t i = 0; i < kLane; i += 8) {
      state = _mm_crc32_u64(state, Word(data + i));
      second = _mm_crc32_u64(second, Word(data + kLane + i));
      third = _mm_crc32_u64(third, Word(data + 2 * kLane + i));
    }
    state = MultiplyModulo(static_cast<uint32_t>(state), kTwoLanes) ^
            MultiplyModulo(static_cast<uint32_t>(second), kOneLane) ^ third;
  }
  for (; size >= 8; size -= 8, data += 8) state = _mm_crc32_u64(state, Word(data));
  uint32_t tail = static_cast<uint32_t>(state);
  for (; size > 0; --size, ++data) tail = _mm_crc32_u8(tail, static_cast<uint8_t>(*data));
  return ~tail;
}
#endif

}  // namespace

uint32_t Crc32cPortable(std::span<const std::byte> bytes, uint32_t crc) {
  uint32_t state = ~crc;
  for (std::byte b : bytes) state = kTable[(state ^ static_cast<uint8_t>(b)) & 0xFF] ^ (state >> 8);
  return ~state;
}

uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t crc) {
#if defined(__x86_64__)
  static const bool has_sse42 = __builtin_cpu_supports("sse4.2") != 0;
  if (has_sse42) return Crc32cHardware(bytes.data(), bytes.size(), crc);
#endif
  return Crc32cPortable(bytes, crc);
}

uint32_t CopyWithCrc32c(std::span<std::byte> to, std::span<const std::byte> from) {
  constexpr size_t kBlock = size_t{12} << 10;  // a round of the three lanes; fits the first cache
  uint32_t crc = 0;
  for (size_t begin = 0; begin < from.size(); begin += kBlock) {
    const auto block = from.subspan(begin, std::min(kBlock, from.size() - begin));
    crc = Crc32c(block, crc);
    CopyPart(to.data() + begin, block, from.size());
  }
  return crc;
}

}  // namespace millrace
