#include "core/crc32c.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace millrace {
namespace {

std::span<const std::byte> Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

// RFC 3720, appendix B.4, and the customary check value.
TEST(Crc32c, MatchesPublishedValues) {
  std::string ascending;
  for (int i = 0; i < 32; ++i) ascending.push_back(static_cast<char>(i));
  for (auto* crc : {&Crc32c, &Crc32cPortable}) {
    EXPECT_EQ(crc(Bytes("123456789"), 0), 0xE3069283u);
    EXPECT_EQ(crc(Bytes(std::string(32, '\0')), 0), 0x8A9136AAu);
    EXPECT_EQ(crc(Bytes(std::string(32, '\xFF')), 0), 0x62A8AB43u);
    EXPECT_EQ(crc(Bytes(ascending), 0), 0x46DD794Eu);
    EXPECT_EQ(crc({}, 0), 0u);
  }
}

TEST(Crc32c, HardwareAndTableAgreeAtEveryLengthAndOffset) {
  std::vector<std::byte> data(80);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 37 + 11);
  for (size_t begin = 0; begin < 9; ++begin) {
    for (size_t length = 0; begin + length <= data.size(); ++length) {
      const std::span part(data.data() + begin, length);
      ASSERT_EQ(Crc32c(part), Crc32cPortable(part)) << begin << "+" << length;
    }
  }
}

// Long enough for several rounds of the three lanes, whose ends differ.
TEST(Crc32c, HardwareAndTableAgreeOnLongRanges) {
  std::vector<std::byte> data(3 * 3 * 4096 + 100);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * i >> 3);
  for (const size_t length : {size_t{3 * 4096 - 1}, size_t{3 * 4096}, size_t{3 * 4096 + 9},
                              size_t{2 * 3 * 4096 + 8}, data.size()}) {
    const std::span part(data.data(), length);
    EXPECT_EQ(Crc32c(part, 0x12345678u), Crc32cPortable(part, 0x12345678u)) << length;
  }
}

TEST(Crc32c, CopyingGivesTheBytesAndTheirCrc) {
  // From 4 MiB on the copy goes past the caches, unless the target is not aligned.
  for (const size_t size : {size_t{0}, size_t{5}, size_t{96 << 10}, size_t{(96 << 10) + 13},
                            size_t{4 << 20}, size_t{(4 << 20) + 13}}) {
    for (const size_t offset : {0, 3}) {
      std::vector<std::byte> from(size), memory(size + offset);
      for (size_t i = 0; i < size; ++i) from[i] = static_cast<std::byte>(i * 31 >> 2);
      const std::span to(memory.data() + offset, size);
      EXPECT_EQ(CopyWithCrc32c(to, from), Crc32cPortable(from)) << size;
      EXPECT_TRUE(std::ranges::equal(to, from)) << size;
    }
  }
}

TEST(Crc32c, ContinuesOverParts) {
  const std::string text = "a segment is what an actor posts";
  const uint32_t whole = Crc32c(Bytes(text));
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    const auto bytes = Bytes(text);
    EXPECT_EQ(Crc32c(bytes.subspan(cut), Crc32c(bytes.first(cut))), whole);
  }
}

}  // namespace
}  // namespace millrace
