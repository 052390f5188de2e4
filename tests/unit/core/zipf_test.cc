#include "core/zipf.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace millrace {
namespace {

TEST(Zipf, DrawsByTheirWeights) {
  constexpr int kDraws = 200'000;
  for (const auto& [count, exponent] :
       {std::pair{int64_t{1}, 1.05}, {int64_t{7}, 1.05}, {int64_t{1000}, 2.0}}) {
    const Zipf zipf(count, exponent);
    Rng rng(1, 1);
    std::vector<int> drawn(static_cast<size_t>(count));
    for (int i = 0; i < kDraws; ++i) ++drawn.at(static_cast<size_t>(zipf.Draw(rng)));
    double weights = 0;
    for (int64_t k = 1; k <= count; ++k) weights += std::pow(static_cast<double>(k), -exponent);
    for (int64_t k = 1; k <= std::min<int64_t>(count, 20); ++k) {
      const double share = std::pow(static_cast<double>(k), -exponent) / weights;
      const double deviation = std::sqrt(share * (1 - share) / kDraws);
      EXPECT_NEAR(drawn[static_cast<size_t>(k - 1)] / double{kDraws}, share, 5 * deviation + 1e-12)
          << k << " of " << count;
    }
  }
}

}  // namespace
}  // namespace millrace
