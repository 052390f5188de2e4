#include "core/zipf.h"

#include <algorithm>
#include <cmath>

namespace millrace {

Zipf::Zipf(int64_t count, double exponent)
    : count_(static_cast<double>(count)),
      exponent_(exponent),
      low_(Integral(1.5) - 1),
      high_(Integral(count_ + 0.5)) {}

double Zipf::Integral(double x) const { return std::pow(x, 1 - exponent_) / (1 - exponent_); }

int64_t Zipf::Draw(Rng& rng) const {
  while (true) {
    const double u = rng.Uniform(low_, high_);
    const double x = std::pow(u * (1 - exponent_), 1 / (1 - exponent_));
    const double k = std::clamp(std::floor(x + 0.5), 1.0, count_);
    if (u >= Integral(k + 0.5) - std::pow(k, -exponent_)) return static_cast<int64_t>(k) - 1;
  }
}

}  // namespace millrace
