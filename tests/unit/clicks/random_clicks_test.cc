#include "clicks/random_clicks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "clicks/click_datasets.h"
#include "read_samples.h"

namespace millrace::clicks {
namespace {

TEST(RandomClicks, BagsHaveEachIdOnceAndInOrder) {
  RandomClicks dataset({.rows = {20, 20, 20}, .bags = {8, 8, 8}, .dense = 2});
  const Samples samples(dataset, 1000, 400);
  ASSERT_TRUE(samples.status().ok());
  std::set<int32_t> sizes;
  double clicked = 0;
  for (int64_t i = 0; i < 400; ++i) {
    size_t next = 0;
    for (const int32_t size : samples.counts(i)) {
      sizes.insert(size);
      for (int32_t n = 0; n < size; ++n, ++next) {
        EXPECT_GE(samples.ids(i)[next], n == 0 ? 0 : samples.ids(i)[next - 1] + 1);
        EXPECT_LT(samples.ids(i)[next], 20);
      }
    }
    EXPECT_TRUE(
        std::ranges::all_of(samples.ids(i).subspan(next), [](int64_t id) { return id == 0; }));
    for (const float x : samples.dense(i)) EXPECT_TRUE(x >= 0 && x < 1);
    clicked += samples.labels()[static_cast<size_t>(i)];
  }
  EXPECT_EQ(*sizes.begin(), 1);
  EXPECT_GE(*sizes.rbegin(), 7);
  EXPECT_NEAR(clicked / 400, 0.5, 0.1);
}

TEST(RandomClicks, ASampleDoesNotDependOnItsBatch) {
  RandomClicks dataset({.rows = {1000, 1000}, .bags = {3, 3}});
  const Samples whole(dataset, 10, 20), part(dataset, 15, 5);
  for (int64_t i = 0; i < 5; ++i) {
    EXPECT_TRUE(std::ranges::equal(part.dense(i), whole.dense(5 + i)));
    EXPECT_TRUE(std::ranges::equal(part.ids(i), whole.ids(5 + i)));
  }
  EXPECT_TRUE(std::ranges::equal(part.labels(), whole.labels().subspan(5, 5)));
}

TEST(RandomClicks, FeaturesMayDiffer) {
  Options options;
  options.Set("rows", {.items = {"10", "2000"}, .is_list = true});
  options.Set("bag", {.items = {"3", "1"}, .is_list = true});
  const auto dataset = MakeRandomClicks(options, DatasetSplit::kTrain);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const auto& features = (*dataset)->spec().observation.id_features;
  ASSERT_EQ(features.size(), 2U);
  EXPECT_EQ(features[0].rows, 10);
  EXPECT_EQ(features[0].max_length, 3);
  EXPECT_EQ(features[1].rows, 2000);
  options.Set("features", {.items = {"3"}});
  EXPECT_THAT(std::string(MakeRandomClicks(options, DatasetSplit::kTrain).status().message()),
              testing::HasSubstr("rows: expected 3 numbers"));
}

}  // namespace
}  // namespace millrace::clicks
