#include "clicks/teacher_clicks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "clicks/click_metrics.h"
#include "read_samples.h"

namespace millrace::clicks {
namespace {

// A teacher for all tests: it takes a while to draw.
TeacherClicks& Teacher() {
  static TeacherClicks teacher;
  return teacher;
}

TEST(TeacherClicks, ASampleDoesNotDependOnItsBatch) {
  const Samples whole(Teacher(), 100, 50), part(Teacher(), 120, 30);
  EXPECT_TRUE(std::ranges::equal(part.labels(), whole.labels().subspan(20)));
  for (int64_t i = 0; i < 30; ++i) {
    EXPECT_TRUE(std::ranges::equal(part.dense(i), whole.dense(20 + i)));
    EXPECT_TRUE(std::ranges::equal(part.ids(i), whole.ids(20 + i)));
    EXPECT_THAT(part.counts(i), testing::ElementsAre(1, 1, 5, 1, 1, 10, 1, 1));
    auto id = part.ids(i).begin();
    for (size_t t = 0; t < TeacherClicks::kRows.size(); ++t) {
      for (int32_t n = 0; n < TeacherClicks::kBag[t]; ++n, ++id) {
        EXPECT_LT(static_cast<uint64_t>(*id), static_cast<uint64_t>(TeacherClicks::kRows[t]));
      }
    }
    EXPECT_EQ(id, part.ids(i).end());
  }
}

TEST(TeacherClicks, HeldOutSamplesAreOthersOfTheSameTeacher) {
  TeacherClicks held_out(TeacherClicks::kSeed, DatasetSplit::kHeldOut);
  const Samples here(held_out, 0, 10), there(Teacher(), 0, 10);
  EXPECT_FALSE(std::ranges::equal(here.dense(0), there.dense(0)));
  EXPECT_EQ(held_out.Probability(0), Teacher().Probability(int64_t{1} << 40));
}

// A model that learns of them must stay below this.
TEST(TeacherClicks, TheTeacherItselfTellsThemAsWellAsIsSaid) {
  constexpr int64_t kSamples = 60'000;
  const Samples samples(Teacher(), 0, kSamples);
  std::vector<float> probabilities;
  for (int64_t i = 0; i < kSamples; ++i) {
    probabilities.push_back(static_cast<float>(Teacher().Probability(i)));
  }
  const ClickMetrics metrics = MeasureClicks(probabilities, samples.labels());
  const double clicked = std::accumulate(samples.labels().begin(), samples.labels().end(), 0.0);
  EXPECT_NEAR(clicked / kSamples, 0.2992, 0.01);  // of a million
  EXPECT_NEAR(metrics.auc, 0.8235, 0.008);
  EXPECT_NEAR(metrics.log_loss, 0.4573, 0.01);
}

}  // namespace
}  // namespace millrace::clicks
