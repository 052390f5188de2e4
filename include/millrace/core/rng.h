// Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
// easy as 1, 2, 3"). A draw is a pure function of (seed, stream, counter), so it does not depend on
// which process or thread makes it, nor on batch composition.
#pragma once

#include <array>
#include <cstdint>

namespace millrace {

// Four independent 32-bit words for (seed, stream, counter).
std::array<uint32_t, 4> Philox(uint64_t seed, uint64_t stream, uint64_t counter);

// Maps 32 random bits to [0, 1).
inline float ToUnitFloat(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1.0p-24f; }
// Maps 64 random bits to [0, 1).
inline double ToUnitDouble(uint32_t high, uint32_t low) {
  const uint64_t bits = (static_cast<uint64_t>(high) << 32) | low;
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

// A sequence of draws keyed by (seed, stream). Value type: copy it to fork, store `counter()` to
// resume. Thread-compatible.
class Rng {
 public:
  Rng() = default;
  Rng(uint64_t seed, uint64_t stream, uint64_t counter = 0)
      : seed_(seed), stream_(stream), counter_(counter) {}

  // Uniform in [low, high), with 53 random bits.
  double Uniform(double low = 0.0, double high = 1.0);
  // Uniform integer in [0, bound); bound > 0.
  uint64_t Below(uint64_t bound);
  // Standard normal.
  double Normal();
  uint64_t Next64();

  uint64_t counter() const { return counter_; }

 private:
  uint64_t seed_ = 0;
  uint64_t stream_ = 0;
  uint64_t counter_ = 0;
};

}  // namespace millrace
