#include "clicks/click_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "read_samples.h"

namespace millrace::clicks {
namespace {

using testing::ElementsAre;

class ClickLogTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<ClickLog>> Open(const std::string& text) {
    std::ofstream(file_) << text;
    return ClickLog::Open({.file = file_, .dense = 2, .features = 3, .rows = 100});
  }
  std::string ErrorOf(const std::string& text) {
    auto log = Open(text);
    if (!log.ok()) return std::string(log.status().message());
    const Samples samples(**log, 0, (*log)->spec().samples);
    return std::string(samples.status().message());
  }

  ~ClickLogTest() override { std::filesystem::remove(file_); }

  const std::filesystem::path file_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + "." +
       std::to_string(::getpid()) + ".tsv");
};

TEST_F(ClickLogTest, ReadsNumbersIdsAndWhatIsMissing) {
  const auto log = Open("1\t6\t\t1f\t\t64\n0\t-3\t0\t\t\t\n");
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_EQ((*log)->spec().samples, 2);
  const Samples samples(**log, 0, 2);
  ASSERT_TRUE(samples.status().ok()) << samples.status();
  EXPECT_THAT(samples.labels(), ElementsAre(1, 0));
  EXPECT_THAT(samples.dense(0), ElementsAre(std::log1p(6.0F), 0));
  EXPECT_THAT(samples.dense(1), ElementsAre(0, 0));
  EXPECT_THAT(samples.counts(0), ElementsAre(1, 0, 1));
  EXPECT_THAT(samples.ids(0), ElementsAre(0x1f, 0, 0));  // 0x64 is 100
  EXPECT_THAT(samples.counts(1), ElementsAre(0, 0, 0));
}

TEST_F(ClickLogTest, FindsEveryLineByItsNumber) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "0\t" + std::to_string(i) + "\t0\ta\tb\tc\n";
  const auto log = Open(text);
  ASSERT_TRUE(log.ok()) << log.status();
  for (const int64_t i : {0, 1, 255, 256, 257, 700, 999}) {
    const Samples one(**log, i, 1);
    EXPECT_FLOAT_EQ(one.dense(0)[0], std::log1p(static_cast<float>(i)));
  }
  const Samples several(**log, 250, 20);
  EXPECT_FLOAT_EQ(several.dense(19)[0], std::log1p(269.0F));
}

TEST_F(ClickLogTest, SaysWhichLineIsWrongAndWhy) {
  const std::string good = "0\t1\t2\ta\tb\tc\n", at = file_.string() + ":2: expected ";
  EXPECT_EQ(ErrorOf(good + "0\t1\t2\ta\tb\n"), at + "6 fields separated by tabs, got 5");
  EXPECT_EQ(ErrorOf(good + "2\t1\t2\ta\tb\tc\n"), at + "the label 0 or 1, got \"2\"");
  EXPECT_EQ(ErrorOf(good + "0\t1.5\t2\ta\tb\tc\n"), at + "an integer or none, got \"1.5\"");
  EXPECT_EQ(ErrorOf(good + "0\t1\t2\tx\tb\tc\n"), at + "a hexadecimal number or none, got \"x\"");
  EXPECT_EQ(ErrorOf(good + "0\t1\t2\ta\tb\tc"), at + "a line with an end, got the end of the file");
  EXPECT_EQ(ErrorOf(""), file_.string() + ":1: expected a sample, got the end of the file");
}

TEST_F(ClickLogTest, AFileThatThereIsNotIsSaid) {
  const auto log = ClickLog::Open({.file = file_});
  EXPECT_EQ(log.status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace millrace::clicks
