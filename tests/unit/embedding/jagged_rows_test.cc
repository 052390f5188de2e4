#include "embedding/jagged_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::embedding {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(JaggedRows, ListsOfAFeatureStandTogether) {
  // Three samples of two features, room for four ids.
  const std::vector<int64_t> ids = {1, 2, 3, 0, 4, 0, 0, 0, 5, 6, 7, 8};
  const std::vector<int32_t> counts = {2, 1, 0, 1, 1, 3};
  JaggedRows rows;
  ASSERT_TRUE(rows.Set(ids, counts, 3, 2).ok());
  EXPECT_EQ(rows.batch().samples, 3);
  EXPECT_THAT(rows.batch().lengths, ElementsAre(2, 0, 1, 1, 1, 3));
  EXPECT_THAT(rows.batch().ids, ElementsAre(1, 2, 5, 3, 4, 6, 7, 8));
  ASSERT_TRUE(rows.Set(std::span(ids).first(4), std::span(counts).first(2), 1, 2).ok());
  EXPECT_THAT(rows.batch().ids, ElementsAre(1, 2, 3));
  ASSERT_TRUE(rows.Set({}, {}, 0, 2).ok());
  EXPECT_EQ(rows.batch().ids.size(), 0u);
}

TEST(JaggedRows, FeaturesMayBeLeftOut) {
  const std::vector<int64_t> ids = {1, 2, 3, 9, 4, 5, 0, 9};
  const std::vector<int32_t> counts = {2, 1, 1, 0, 2, 1};
  JaggedRows rows;
  ASSERT_TRUE(rows.Set(ids, counts, 2, {true, false, true}).ok());
  EXPECT_EQ(rows.batch().features(), 2);
  EXPECT_THAT(rows.batch().lengths, ElementsAre(2, 0, 1, 1));
  EXPECT_THAT(rows.batch().ids, ElementsAre(1, 2, 9, 0));
}

TEST(JaggedRows, ListsThatCannotBeAreRefused) {
  const std::vector<int64_t> ids = {1, 2, 3, 4};
  JaggedRows rows;
  EXPECT_THAT(rows.Set(ids, std::vector<int32_t>{1, 1, 2, 1}, 2, 2).message(),
              HasSubstr("sample 1 of a batch: expected at most 2 ids"));
  EXPECT_THAT(rows.Set(ids, std::vector<int32_t>{-1, 1, 2, 0}, 2, 2).message(),
              HasSubstr("sample 0 of a batch"));
  EXPECT_THAT(rows.Set(ids, std::vector<int32_t>{1, 1, 2}, 2, 2).message(),
              HasSubstr("expected 2 x 2 counts, got 3"));
  EXPECT_EQ(rows.batch().samples, 0);
}

}  // namespace
}  // namespace millrace::embedding
