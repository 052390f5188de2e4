#include "embedding/lookup_sort.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "millrace/core/rng.h"

namespace millrace::embedding {
namespace {

TEST(LookupSort, SortsByPlaceAndKeepsTheOrderOfEqualOnes) {
  Rng rng(1, 2);
  LookupSort sort;
  for (const uint64_t places : {1ULL, 2ULL, 2048ULL, 2049ULL, 5'000'000ULL, 1ULL << 32}) {
    for (const size_t count : {0UL, 1UL, 7UL, 5000UL}) {
      std::vector<Lookup> lookups(count);
      for (size_t i = 0; i < count; ++i) {
        // Half of them of a few places.
        const uint64_t most = i % 2 == 0 ? places : std::min<uint64_t>(places, 5);
        lookups[i] = {static_cast<uint32_t>(rng.Below(most)), static_cast<uint32_t>(i)};
      }
      const auto sorted = sort.Sort(lookups, static_cast<int64_t>(places));
      auto expected = lookups;
      std::ranges::stable_sort(expected, {}, &Lookup::place);
      ASSERT_EQ(sorted.size(), count);
      for (size_t i = 0; i < count; ++i) {
        ASSERT_EQ(sorted[i].place, expected[i].place);
        ASSERT_EQ(sorted[i].gradient, expected[i].gradient);
      }
    }
  }
}

}  // namespace
}  // namespace millrace::embedding
