#include "backends/gradient_exchange.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "core/bfloat16.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

// Magnitudes in the order of the integers that their bits are.
uint32_t OrderOf(float number) { return std::bit_cast<uint32_t>(number) & 0x7FFFFFFF; }

// What a rank sends: where its gradients are, as a bit for every parameter or, if that is shorter,
// as a number each, then the gradients in bfloat16.
class Message {
 public:
  // Of `count` of `size` gradients.
  Message(int64_t size, int64_t count)
      : size_(size), count_(count), as_bits_((size + 7) / 8 < 4 * count) {}

  int64_t bytes() const { return place_bytes() + 2 * count_; }

  // Leaves what was rounded away in `gradients`, at those places.
  void Write(std::span<const int32_t> places, std::span<float> gradients, uint8_t* to) const {
    uint8_t* const values = to + place_bytes();
    if (as_bits_) std::fill_n(to, place_bytes(), uint8_t{0});
    for (int64_t i = 0; i < count_; ++i) {
      const int32_t place = places[static_cast<size_t>(i)];
      if (as_bits_) {
        to[place / 8] = static_cast<uint8_t>(to[place / 8] | 1U << place % 8);
      } else {
        std::memcpy(to + 4 * i, &place, sizeof(place));
      }
      float& gradient = gradients[static_cast<size_t>(place)];
      const uint16_t half = ToBfloat16(gradient);
      std::memcpy(values + 2 * i, &half, sizeof(half));
      gradient -= FromBfloat16(half);
    }
  }

  // Adds `share` times the gradients to those of all ranks.
  void AddTo(std::span<float> sums, float share, const uint8_t* from) const {
    const uint8_t* value = from + place_bytes();
    const uint8_t* const end = from + bytes();
    const auto add = [&](int64_t place) {
      MILLRACE_CHECK(place >= 0 && place < size_ && value < end, "gradients of another network");
      uint16_t half;
      std::memcpy(&half, value, sizeof(half));
      value += sizeof(half);
      sums[static_cast<size_t>(place)] += share * FromBfloat16(half);
    };
    for (int64_t i = 0; as_bits_ && i < place_bytes(); ++i) {
      for (uint32_t bits = from[i]; bits != 0; bits &= bits - 1)
        add(8 * i + std::countr_zero(bits));
    }
    for (int64_t i = 0; !as_bits_ && i < count_; ++i) {
      int32_t place;
      std::memcpy(&place, from + 4 * i, sizeof(place));
      add(place);
    }
  }

 private:
  int64_t place_bytes() const { return as_bits_ ? (size_ + 7) / 8 : 4 * count_; }

  const int64_t size_, count_;
  const bool as_bits_;
};

}  // namespace

GradientExchangeOptions GradientExchangeOptions::FromOptions(const Options& options) {
  GradientExchangeOptions exchange;
  exchange.density = options.GetDouble("gradient_density", exchange.density, 1e-6, 1);
  exchange.error_feedback = options.GetBool("error_feedback", exchange.error_feedback);
  return exchange;
}

// The threshold digit by digit, from the highest, by histograms.
std::vector<int32_t> LargestMagnitudes(std::span<const float> numbers, int64_t count) {
  MILLRACE_CHECK(count >= 0 && count <= std::ssize(numbers), "more than there are");
  std::vector<int32_t> places;
  if (count == 0) return places;
  places.reserve(static_cast<size_t>(count));
  struct Digit {
    int shift, bits;
  };
  constexpr Digit kDigits[] = {{19, 12}, {7, 12}, {0, 7}};
  uint32_t threshold = 0, known = 0;  // and which of its bits are
  int64_t wanted = count;             // of those whose known bits are the threshold's
  for (const Digit& digit : kDigits) {
    const uint32_t mask = (1U << digit.bits) - 1;
    std::array<int64_t, 1 << 12> histogram = {};
    for (const float number : numbers) {
      const uint32_t order = OrderOf(number);
      if ((order & known) == threshold) ++histogram[order >> digit.shift & mask];
    }
    uint32_t value = mask;
    for (; wanted > histogram[value]; --value) wanted -= histogram[value];
    threshold |= value << digit.shift;
    known |= mask << digit.shift;
  }
  for (size_t i = 0; i < numbers.size(); ++i) {
    const uint32_t order = OrderOf(numbers[i]);
    if (order < threshold || (order == threshold && wanted-- <= 0)) continue;
    places.push_back(static_cast<int32_t>(i));
  }
  return places;
}

absl::Status GradientExchange::Mean(torch::Tensor& flat, int64_t parameters, Collectives& group) {
  if (options_.density >= 1 || group.size() == 1) return group.AllReduceMean(flat);
  const auto count = std::max<int64_t>(
      1, std::llround(std::ceil(options_.density * static_cast<double>(parameters))));
  if (flat.is_cpu()) return MeanOfLargest(flat, count, group);
  torch::Tensor local = flat.cpu();
  MILLRACE_RETURN_IF_ERROR(MeanOfLargest(local, count, group));
  flat.copy_(local);
  return absl::OkStatus();
}

absl::Status GradientExchange::MeanOfLargest(torch::Tensor& flat, int64_t count,
                                             Collectives& group) {
  const std::span<float> gradients(flat.data_ptr<float>(), static_cast<size_t>(flat.numel()));
  unsent_.resize(gradients.size());
  for (size_t i = 0; i < gradients.size(); ++i) gradients[i] += unsent_[i];
  const std::vector<int32_t> places = LargestMagnitudes(gradients, count);
  const Message message(std::ssize(gradients), count);
  torch::Tensor sent = torch::empty({message.bytes()}, torch::kUInt8);
  torch::Tensor received = torch::empty({group.size(), message.bytes()}, torch::kUInt8);
  message.Write(places, gradients, sent.data_ptr<uint8_t>());
  MILLRACE_RETURN_IF_ERROR(group.AllGather(sent, received));
  rest_.assign(gradients.begin(), gradients.end());
  std::ranges::fill(gradients, 0.0F);
  for (int rank = 0; rank < group.size(); ++rank) {
    message.AddTo(gradients, 1.0F / static_cast<float>(group.size()),
                  received.data_ptr<uint8_t>() + rank * message.bytes());
  }
  const bool finite = std::ranges::all_of(gradients, [](float g) { return std::isfinite(g); });
  if (finite && options_.error_feedback) unsent_.swap(rest_);
  return absl::OkStatus();
}

}  // namespace millrace
