#include "millrace/data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Sample i has the number i, and i ids of feature "words".
class Counting : public Dataset {
 public:
  explicit Counting(int64_t samples) {
    spec_.observation.id_features = {{.name = "word", .rows = 10, .max_length = 1},
                                     {.name = "tag", .rows = 3, .max_length = 2}};
    spec_.observation.fields = IdFields(spec_.observation.id_features);
    spec_.labels = {{kLabel, DType::kFloat32, {}, Extent::kRows}};
    spec_.samples = samples;
  }
  const DatasetSpec& spec() const override { return spec_; }
  absl::Status Read(int64_t first, int64_t count, std::span<const TensorView> fields) override {
    EXPECT_LE(first + count, spec_.samples > 0 ? spec_.samples : first + count);
    for (int64_t i = 0; i < count; ++i) {
      const auto ids = fields[0][i].As<int64_t>();
      const auto counts = fields[1][i].As<int32_t>();
      ids[0] = word;
      ids[1] = ids[2] = tag;
      counts[0] = 1;
      counts[1] = tags;
      fields[2].As<float>()[static_cast<size_t>(i)] = label + static_cast<float>(first + i);
    }
    return absl::OkStatus();
  }

  int64_t word = 9, tag = 2;
  int32_t tags = 2;
  float label = 0;

 private:
  DatasetSpec spec_;
};

struct Samples {
  explicit Samples(const DatasetSpec& spec, int64_t count)
      : layout(*Schema::Create(SampleFields(spec, Extent::kRows)),
               {.steps = 1, .rows = static_cast<int32_t>(count)}),
        bytes(layout.total_bytes()) {
    for (size_t f = 0; f < layout.schema().fields().size(); ++f) {
      views.push_back(layout.View(static_cast<int>(f), bytes.data()));
    }
  }
  Layout layout;
  std::vector<std::byte> bytes;
  std::vector<TensorView> views;
};

TEST(Dataset, BeginsAnewBehindItsLastSample) {
  Counting dataset(3);
  const Samples samples(dataset.spec(), 8);
  ASSERT_TRUE(ReadRound(dataset, 5, 8, samples.views).ok());
  EXPECT_THAT(samples.views[2].As<float>(), ElementsAre(2, 0, 1, 2, 0, 1, 2, 0));
}

TEST(Dataset, HasNoEndIfItDoesNotSay) {
  Counting dataset(0);
  const Samples samples(dataset.spec(), 2);
  ASSERT_TRUE(ReadRound(dataset, 1'000, 2, samples.views).ok());
  EXPECT_THAT(samples.views[2].As<float>(), ElementsAre(1000, 1001));
}

TEST(Dataset, FieldsAreNamedAsInStreams) {
  const Counting dataset(1);
  const auto fields = SampleFields(dataset.spec(), Extent::kSteps);
  ASSERT_EQ(fields.size(), 3u);
  EXPECT_EQ(fields[0], (Field{"observation/ids", DType::kInt64, {3}, Extent::kSteps}));
  EXPECT_EQ(fields[1], (Field{"observation/id_counts", DType::kInt32, {2}, Extent::kSteps}));
  EXPECT_EQ(fields[2], (Field{"label", DType::kFloat32, {}, Extent::kSteps}));
}

TEST(Dataset, ASpecWithoutTheFieldsOfItsIdsIsRefused) {
  const Counting dataset(1);
  EXPECT_TRUE(CheckSpec(dataset.spec()).ok());
  DatasetSpec narrow = dataset.spec();
  narrow.observation.fields[0].shape = {2};
  EXPECT_THAT(CheckSpec(narrow).message(), HasSubstr("the field \"ids\" as IdFields() makes it"));
  DatasetSpec twice = dataset.spec();
  twice.labels.push_back(twice.labels.front());
  EXPECT_FALSE(CheckSpec(twice).ok());
  DatasetSpec negative = dataset.spec();
  negative.samples = -1;
  EXPECT_THAT(CheckSpec(negative).message(), HasSubstr("got -1"));
}

TEST(Dataset, SamplesThatAreNotAsItSaysAreRefusedByNumber) {
  const auto message = [](auto&& spoil) {
    Counting dataset(0);
    spoil(dataset);
    const Samples samples(dataset.spec(), 2);
    const absl::Status status = ReadRound(dataset, 70, 2, samples.views);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    return std::string(status.message());
  };
  EXPECT_EQ(message([](Counting& d) { d.word = 10; }),
            "sample 70: word: expected ids from 0 to 9, got 10");
  EXPECT_EQ(message([](Counting& d) { d.tag = -1; }),
            "sample 70: tag: expected ids from 0 to 2, got -1");
  EXPECT_EQ(message([](Counting& d) { d.tags = 3; }), "sample 70: tag: expected 0 to 2 ids, got 3");
  EXPECT_EQ(message([](Counting& d) { d.tags = -1; }),
            "sample 70: tag: expected 0 to 2 ids, got -1");
  EXPECT_THAT(message([](Counting& d) { d.label = NAN; }),
              HasSubstr("sample 70: label: expected finite numbers, got nan"));
}

}  // namespace
}  // namespace millrace
