#include "sparse/pattern.h"

#include "gtest/gtest.h"

namespace millrace::sparse {
namespace {

TEST(Pattern, NamesComeBack) {
  for (const char* name : {"1:4", "2:4", "1:8", "2:8", "4:8", "1:16", "2:16", "4:16", "dense"}) {
    const auto pattern = ParsePattern(name);
    ASSERT_TRUE(pattern.ok()) << name;
    EXPECT_EQ(NameOf(*pattern), name);
    EXPECT_TRUE(IsKnown(*pattern));
  }
}

TEST(Pattern, AnUnknownOneNamesTheNearest) {
  EXPECT_EQ(ParsePattern("2:9").status().message(),
            "no such sparsity pattern: \"2:9\"; did you mean \"2:4\"?");
  EXPECT_EQ(ParsePattern("").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Pattern, SharingIsByAPowerOfTwoUpToAPanel) {
  for (const int64_t rows : {1, 2, 4, 8, 16}) {
    EXPECT_TRUE(IsKnown({.kept = 2, .group = 8, .shared_by = rows}));
  }
  for (const int64_t rows : {0, 3, 32}) {
    EXPECT_FALSE(IsKnown({.kept = 2, .group = 8, .shared_by = rows}));
  }
  EXPECT_FALSE(IsKnown({.kept = 3, .group = 8}));
  EXPECT_FALSE(IsKnown({.kept = 4, .group = 4}));
}

}  // namespace
}  // namespace millrace::sparse
