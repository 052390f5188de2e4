#include "embedding/wire_numbers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "embedding/kernel_choice.h"
#include "millrace/core/status.h"

namespace millrace::embedding {
namespace {

constexpr float kMostInt8 = 127;

RowType RowTypeOf(WireType type) {
  return type == WireType::kFloat16 ? RowType::kFloat16 : RowType::kBfloat16;
}

// One block.
void ToInt8(std::span<const float> numbers, std::byte* bytes) {
  float largest = 0;
  bool finite = true;
  for (const float number : numbers) {
    largest = std::max(largest, std::abs(number));
    finite &= std::isfinite(number);
  }
  const float scale = finite ? largest / kMostInt8 : std::numeric_limits<float>::quiet_NaN();
  std::memcpy(bytes, &scale, sizeof(scale));
  const float inverse = 1 / scale;
  const bool usable = std::isfinite(inverse);  // neither of zeros nor of numbers next to them
  auto* whole = reinterpret_cast<int8_t*>(bytes + sizeof(scale));
  for (const float number : numbers) {
    const float multiple = usable ? std::nearbyint(number * inverse) : 0;
    *whole++ = static_cast<int8_t>(std::clamp(multiple, -kMostInt8, kMostInt8));
  }
}

void FromInt8(const std::byte* bytes, std::span<float> numbers) {
  float scale;
  std::memcpy(&scale, bytes, sizeof(scale));
  const auto* whole = reinterpret_cast<const int8_t*>(bytes + sizeof(scale));
  for (float& number : numbers) number = scale * static_cast<float>(*whole++);
}

// Of every block of numbers and its bytes.
template <typename Float, typename Body>
void ForBlocks(std::span<Float> numbers, Body body) {
  constexpr auto kSize = static_cast<size_t>(kWireBlock);
  size_t at = 0;  // bytes
  for (size_t i = 0; i < numbers.size(); i += kSize) {
    const auto block = numbers.subspan(i, std::min(kSize, numbers.size() - i));
    body(block, at);
    at += sizeof(float) + block.size();
  }
}

}  // namespace

void ToWire(WireType type, std::span<const float> numbers, std::byte* bytes) {
  switch (type) {
    case WireType::kFloat32:
      std::memcpy(bytes, numbers.data(), numbers.size_bytes());
      return;
    case WireType::kFloat16:
    case WireType::kBfloat16:
      BestKernels().pack(RowTypeOf(type), numbers.data(), std::ssize(numbers), bytes);
      return;
    case WireType::kInt8:
      ForBlocks(numbers, [&](auto block, size_t at) { ToInt8(block, bytes + at); });
      return;
  }
}

void FromWire(WireType type, const std::byte* bytes, std::span<float> numbers) {
  switch (type) {
    case WireType::kFloat32:
      std::memcpy(numbers.data(), bytes, numbers.size_bytes());
      return;
    case WireType::kFloat16:
    case WireType::kBfloat16:
      BestKernels().unpack(RowTypeOf(type), bytes, std::ssize(numbers), numbers.data());
      return;
    case WireType::kInt8:
      ForBlocks(numbers, [&](auto block, size_t at) { FromInt8(bytes + at, block); });
      return;
  }
}

absl::Status NumberExchange::AllToAll(WireType type, std::span<const std::span<const float>> to,
                                      std::span<const std::span<float>> from, ByteExchange& group) {
  std::vector<ByteExchange::ConstBytes> sent;
  std::vector<ByteExchange::Bytes> received;
  if (type == WireType::kFloat32) {
    for (const auto numbers : to) sent.push_back(std::as_bytes(numbers));
    for (const auto numbers : from) received.push_back(std::as_writable_bytes(numbers));
    return group.AllToAll(sent, received);
  }
  sent_.resize(to.size());
  received_.resize(from.size());
  for (size_t r = 0; r < to.size(); ++r) {
    sent_[r].resize(static_cast<size_t>(WireBytes(type, std::ssize(to[r]))));
    ToWire(type, to[r], sent_[r].data());
    received_[r].resize(static_cast<size_t>(WireBytes(type, std::ssize(from[r]))));
    sent.emplace_back(sent_[r]);
    received.emplace_back(received_[r]);
  }
  MILLRACE_RETURN_IF_ERROR(group.AllToAll(sent, received));
  for (size_t r = 0; r < from.size(); ++r) FromWire(type, received_[r].data(), from[r]);
  return absl::OkStatus();
}

}  // namespace millrace::embedding
