#include "workers/trainer/batch_memory.h"

#include <gmock/gmock.h>

#include "made_up_batch.h"

namespace millrace {
namespace {

// T = 2, B = 2 in one segment a row; element = 100 * number + 10 * t + b.
SampleBatch Batch(int64_t number) {
  const auto grid = [number](int64_t steps) {
    return 100 * number + torch::arange(steps).unsqueeze(1) * 10 + torch::arange(2).unsqueeze(0);
  };
  SampleBatch batch = AsBatch({{"reward", grid(2)},
                               {"value", grid(3)},
                               {"version", grid(2)},
                               {"state", grid(1).unsqueeze(-1)}},
                              static_cast<uint64_t>(number));
  batch.segments.resize(2);
  return batch;
}

std::vector<int64_t> Row(const torch::Tensor& tensor, int64_t step) {
  const torch::Tensor row = tensor[step].flatten().contiguous();
  return {row.data_ptr<int64_t>(), row.data_ptr<int64_t>() + row.numel()};
}

TEST(BatchMemory, KeepsTheNewestBatchesSideBySideNewestFirst) {
  BatchMemory memory(3);
  for (int64_t number = 0; number < 5; ++number) {
    SampleBatch batch = Batch(number);
    memory.Add(batch);
    EXPECT_EQ(memory.size(), static_cast<size_t>(std::min<int64_t>(number + 1, 3)));
    EXPECT_TRUE(batch.fields.empty()) << "the memory's own";
    EXPECT_EQ(batch.segments.size(), 2u) << "for the accounts";
  }
  const TensorDict samples = memory.SideBySide();
  EXPECT_THAT(Row(samples.at("reward"), 1), ::testing::ElementsAre(410, 411, 310, 311, 210, 211));
  EXPECT_THAT(Row(samples.at("value"), 2), ::testing::ElementsAre(420, 421, 320, 321, 220, 221));
  EXPECT_THAT(Row(samples.at("state"), 0), ::testing::ElementsAre(400, 401, 300, 301, 200, 201));
  EXPECT_EQ(samples.at("state").dim(), 3);
}

TEST(BatchMemory, ForgetsEverything) {
  BatchMemory memory(2);
  SampleBatch batch = Batch(1);
  memory.Add(batch);
  memory.Clear();
  EXPECT_EQ(memory.size(), 0u);
  batch = Batch(2);
  memory.Add(batch);
  EXPECT_EQ(memory.SideBySide().at("reward").size(1), 2);
}

TEST(BatchMemory, GivesACopy) {
  BatchMemory memory(1);
  SampleBatch batch = Batch(1);
  memory.Add(batch);
  memory.SideBySide().at("reward").zero_();
  EXPECT_THAT(Row(memory.SideBySide().at("reward"), 0), ::testing::ElementsAre(100, 101));
}

TEST(TensorsOver, RepeatsTheVersionForEveryRowOfASegment) {
  SampleBatch batch = AsBatch({{"reward", torch::zeros({2, 6})},
                               {"version", torch::tensor({{7, 8}, {9, 10}}, torch::kInt64)}},
                              0);
  EXPECT_THAT(Row(TensorsOver(batch).at("version"), 1),
              ::testing::ElementsAre(9, 9, 9, 10, 10, 10));
}

}  // namespace
}  // namespace millrace
