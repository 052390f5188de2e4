#include "backends/gradient_exchange.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "millrace/core/check.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

// Magnitudes in the order of the integers that their bits are.
uint32_t OrderOf(float number) { return std::bit_cast<uint32_t>(number) & 0x7FFFFFFF; }

constexpr uint32_t kInfinity = 0x7F800000;

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

absl::Status GradientExchange::Mean(torch::Tensor& flat, Collectives& group) {
  if (options_.density >= 1 || group.size() == 1) return group.AllReduceMean(flat);
  if (flat.is_cpu()) return MeanOfLargest(flat, group);
  torch::Tensor local = flat.cpu();
  MILLRACE_RETURN_IF_ERROR(MeanOfLargest(local, group));
  flat.copy_(local);
  return absl::OkStatus();
}

absl::Status GradientExchange::MeanOfLargest(torch::Tensor& flat, Collectives& group) {
  const std::span<float> gradients(flat.data_ptr<float>(), static_cast<size_t>(flat.numel()));
  unsent_.resize(gradients.size());
  bool finite = true;
  for (size_t i = 0; i < gradients.size(); ++i) {
    gradients[i] += unsent_[i];
    finite = finite && OrderOf(gradients[i]) < kInfinity;
  }
  const auto count = std::max<int64_t>(
      1, std::llround(std::ceil(options_.density * static_cast<double>(gradients.size()))));
  const std::vector<int32_t> places = LargestMagnitudes(gradients, count);
  // Places, then the gradients there.
  torch::Tensor sent = torch::empty({2, count}, torch::kInt32);
  int32_t* const words = sent.data_ptr<int32_t>();
  std::ranges::copy(places, words);
  for (int64_t i = 0; i < count; ++i) {
    words[count + i] = std::bit_cast<int32_t>(gradients[static_cast<size_t>(words[i])]);
  }
  torch::Tensor received = torch::empty({group.size(), 2, count}, torch::kInt32);
  MILLRACE_RETURN_IF_ERROR(group.AllGather(sent, received));

  if (finite && options_.error_feedback) {
    std::ranges::copy(gradients, unsent_.begin());
    for (const int32_t place : places) unsent_[static_cast<size_t>(place)] = 0;
  }
  std::ranges::fill(gradients, 0.0F);
  const float share = 1.0F / static_cast<float>(group.size());
  const int32_t* from = received.data_ptr<int32_t>();
  for (int rank = 0; rank < group.size(); ++rank, from += 2 * count) {
    for (int64_t i = 0; i < count; ++i) {
      const auto place = static_cast<size_t>(from[i]);
      MILLRACE_CHECK(place < gradients.size(), "gradients of another network");
      gradients[place] += share * std::bit_cast<float>(from[count + i]);
    }
  }
  return absl::OkStatus();
}

}  // namespace millrace
