#include "clicks/teacher_clicks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "clicks/click_metrics.h"

namespace millrace::clicks {
namespace {

// A teacher for all tests: it takes a while to draw.
const TeacherClicks& Teacher() {
  static const TeacherClicks teacher;
  return teacher;
}

TEST(TeacherClicks, ASampleDoesNotDependOnItsBatch) {
  ClickBatch whole, part;
  Teacher().Read(100, 50, whole);
  Teacher().Read(120, 30, part);
  ASSERT_EQ(part.samples, 30);
  EXPECT_TRUE(std::ranges::equal(part.labels, std::span(whole.labels).subspan(20)));
  EXPECT_TRUE(std::ranges::equal(part.dense, std::span(whole.dense).subspan(20 * 13)));
  size_t whole_at = 0, part_at = 0;
  for (size_t t = 0; t < TeacherClicks::kBag.size(); ++t) {
    const auto bag = static_cast<size_t>(TeacherClicks::kBag[t]);
    for (size_t i = 0; i < 30 * bag; ++i) {
      ASSERT_EQ(part.ids[part_at + i], whole.ids[whole_at + 20 * bag + i]);
      ASSERT_LT(static_cast<uint64_t>(part.ids[part_at + i]),
                static_cast<uint64_t>(TeacherClicks::kRows[t]));
    }
    whole_at += 50 * bag;
    part_at += 30 * bag;
  }
  EXPECT_EQ(part_at, part.ids.size());
  EXPECT_EQ(std::accumulate(part.lengths.begin(), part.lengths.end(), size_t{0}), part.ids.size());
  EXPECT_EQ(part.sparse().LengthsOf(2)[0], 5);
}

// A model that learns of them must stay below this.
TEST(TeacherClicks, TheTeacherItselfTellsThemAsWellAsIsSaid) {
  ClickBatch batch;
  std::vector<float> probabilities;
  Teacher().Read(0, 60'000, batch, &probabilities);
  const ClickMetrics metrics = MeasureClicks(probabilities, batch.labels);
  const double share = std::accumulate(batch.labels.begin(), batch.labels.end(), 0.0) / 60'000;
  EXPECT_NEAR(share, 0.2992, 0.01);  // of a million
  EXPECT_NEAR(metrics.auc, 0.8235, 0.008);
  EXPECT_NEAR(metrics.log_loss, 0.4573, 0.01);
}

}  // namespace
}  // namespace millrace::clicks
