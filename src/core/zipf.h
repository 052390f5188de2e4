// Ids of which a few are most.
#pragma once

#include <cstdint>

#include "millrace/core/rng.h"

namespace millrace {

// Numbers k in [0, count) with weights (k + 1)^-exponent, exponent > 1: drawn by rejection from the
// integral of the density (Hormann and Derflinger 1996, doi:10.1145/235025.235029).
class Zipf {
 public:
  Zipf(int64_t count, double exponent);

  int64_t Draw(Rng& rng) const;

 private:
  double Integral(double x) const;

  const double count_, exponent_;
  double low_, high_;  // of the integral
};

}  // namespace millrace
