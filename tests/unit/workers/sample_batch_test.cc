#include "workers/trainer/sample_batch.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace millrace {
namespace {

Layout TestLayout() {
  auto schema = Schema::Create({{"reward", DType::kFloat32, {}, Extent::kSteps},
                                {"value", DType::kFloat32, {}, Extent::kStepsAndBootstrap},
                                {"version", DType::kInt64, {}, Extent::kTime},
                                {"goal", DType::kFloat32, {2}, Extent::kRows}});
  return Layout(*schema, {.steps = 2, .rows = 3, .chunks = 0});
}

struct Storage {
  explicit Storage(const Layout& layout, float first) : bytes(layout.total_bytes()) {
    for (const char* field : {"reward", "value", "goal"}) {
      const auto values = layout.View(field, bytes.data()).As<float>();
      std::iota(values.begin(), values.end(), first);
    }
    const auto version = layout.View("version", bytes.data()).As<int64_t>();
    std::iota(version.begin(), version.end(), static_cast<int64_t>(first));
  }
  ReceivedSegment Segment(uint32_t producer, uint64_t version_min) const {
    ReceivedSegment segment;
    segment.header.producer = producer;
    segment.header.version_min = version_min;
    segment.payload = bytes.data();
    return segment;
  }
  std::vector<std::byte> bytes;
};

std::vector<float> Floats(const SampleBatch::Tensor& tensor) {
  const auto* values = reinterpret_cast<const float*>(tensor.bytes.data());
  return {values, values + tensor.bytes.size() / sizeof(float)};
}

TEST(SampleBatch, PutsSegmentsSideBySideAlongRows) {
  const Layout layout = TestLayout();
  const Storage a(layout, 0), b(layout, 100);
  const SampleBatch batch = AssembleBatch(1, 0, {b.Segment(1, 7), a.Segment(0, 9)}, layout);
  EXPECT_EQ(batch.columns(), 6);
  EXPECT_EQ(batch.version_min, 7u);
  EXPECT_EQ(batch.fields.at("reward").shape, (std::vector<int64_t>{2, 6}));
  // Producer 0 first although it came second.
  EXPECT_EQ(Floats(batch.fields.at("reward")),
            (std::vector<float>{0, 1, 2, 100, 101, 102, 3, 4, 5, 103, 104, 105}));
  EXPECT_EQ(batch.fields.at("value").shape, (std::vector<int64_t>{3, 6}));
  EXPECT_EQ(batch.fields.at("goal").shape, (std::vector<int64_t>{6, 2}));
  EXPECT_EQ(Floats(batch.fields.at("goal")),
            (std::vector<float>{0, 1, 2, 3, 4, 5, 100, 101, 102, 103, 104, 105}));
  EXPECT_EQ(batch.fields.at("version").shape, (std::vector<int64_t>{2, 2}));
}

TEST(SampleBatch, SegmentsOfADatasetAreInTheOrderOfTheirSlots) {
  const Layout layout = TestLayout();
  const Storage a(layout, 0), b(layout, 100);
  ReceivedSegment second = a.Segment(0, 1), first = b.Segment(1, 1);
  second.header.credit.slot = 1;
  const SampleBatch batch = AssembleBatch(1, 0, {second, first}, layout);
  EXPECT_EQ(Floats(batch.fields.at("goal")),
            (std::vector<float>{100, 101, 102, 103, 104, 105, 0, 1, 2, 3, 4, 5}));
}

TEST(SampleBatch, FindsInfinityAndNanAnywhere) {
  const Layout layout = TestLayout();
  for (const float bad :
       {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN()}) {
    Storage storage(layout, 1);
    EXPECT_TRUE(AllFinite(storage.Segment(0, 0), layout));
    layout.View("value", storage.bytes.data()).As<float>()[8] = bad;
    EXPECT_FALSE(AllFinite(storage.Segment(0, 0), layout));
  }
}

}  // namespace
}  // namespace millrace
