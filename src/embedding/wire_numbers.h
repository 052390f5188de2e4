// Numbers of bags, rows and gradients as they travel between ranks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "collectives/byte_exchange.h"

namespace millrace::embedding {

// kInt8: of every kWireBlock numbers whole multiples of the largest magnitude / 127, which travels
// along.
enum class WireType : uint8_t { kFloat32, kFloat16, kBfloat16, kInt8 };
inline constexpr int64_t kWireBlock = 64;

constexpr int64_t WireBytes(WireType type, int64_t numbers) {
  const int64_t blocks = (numbers + kWireBlock - 1) / kWireBlock;
  if (type == WireType::kInt8) return numbers + blocks * int64_t{sizeof(float)};
  return numbers * (type == WireType::kFloat32 ? 4 : 2);
}
// Of a multiple of kColumnUnit numbers, to the nearest. What is no number stays none, in kInt8 with
// all of its block; what is too large for kFloat16 becomes the largest that it has.
void ToWire(WireType type, std::span<const float> numbers, std::byte* bytes);
void FromWire(WireType type, const std::byte* bytes, std::span<float> numbers);

// ByteExchange::AllToAll() of numbers, also those that a rank sends to itself: what arrives does
// not depend on who sent it. Keeps its memory. Bound to one thread.
class NumberExchange {
 public:
  absl::Status AllToAll(WireType type, std::span<const std::span<const float>> to,
                        std::span<const std::span<float>> from, ByteExchange& group);

 private:
  std::vector<std::vector<std::byte>> sent_, received_;
};

}  // namespace millrace::embedding
