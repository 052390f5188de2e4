#include "millrace/core/rng.h"

#include <cmath>
#include <numbers>

namespace millrace {
namespace {

constexpr uint32_t kMultiplier0 = 0xD2511F53;
constexpr uint32_t kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9;
constexpr uint32_t kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;

}  // namespace

std::array<uint32_t, 4> Philox(uint64_t seed, uint64_t stream, uint64_t counter) {
  uint32_t c0 = static_cast<uint32_t>(counter), c1 = static_cast<uint32_t>(counter >> 32);
  uint32_t c2 = static_cast<uint32_t>(stream), c3 = static_cast<uint32_t>(stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t p0 = static_cast<uint64_t>(kMultiplier0) * c0;
    const uint64_t p1 = static_cast<uint64_t>(kMultiplier1) * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c0 = n0;
    c1 = static_cast<uint32_t>(p1);
    c2 = n2;
    c3 = static_cast<uint32_t>(p0);
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  return {c0, c1, c2, c3};
}

double Rng::Uniform(double low, double high) {
  const auto words = Philox(seed_, stream_, counter_++);
  return low + (high - low) * ToUnitDouble(words[0], words[1]);
}

uint64_t Rng::Below(uint64_t bound) {
  // Multiply-shift: the bias is below bound / 2^64.
  return static_cast<uint64_t>((static_cast<unsigned __int128>(Next64()) * bound) >> 64);
}

double Rng::Normal() {
  const auto words = Philox(seed_, stream_, counter_++);
  // Box-Muller; 1 - u keeps the logarithm's argument above zero.
  const double radius = std::sqrt(-2.0 * std::log(1.0 - ToUnitDouble(words[0], words[1])));
  return radius * std::cos(2.0 * std::numbers::pi * ToUnitDouble(words[2], words[3]));
}

uint64_t Rng::Next64() {
  const auto words = Philox(seed_, stream_, counter_++);
  return (static_cast<uint64_t>(words[0]) << 32) | words[1];
}

}  // namespace millrace
