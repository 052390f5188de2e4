#include "workers/trainer/minibatches.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TensorDict Batch() {
  // T = 4, B = 2; element = 10 * t + b.
  const auto grid = [](int64_t steps) {
    return torch::arange(steps).unsqueeze(1) * 10 + torch::arange(2).unsqueeze(0);
  };
  return {{"reward", grid(4)},
          {"value", grid(5)},
          {"state", torch::arange(2).unsqueeze(1) * 10 + torch::arange(2).unsqueeze(0) + 100}};
}

TEST(ItemView, StepsAreSingleStepsWithoutTheBootstrapRow) {
  TensorDict batch = Batch();
  batch.erase("state");
  const ItemView view(batch, TrainingPlan::Unit::kSteps, 4, 2, 0);
  EXPECT_EQ(view.items(), 8);
  const TensorDict shuffled = view.Shuffled(torch::tensor({7, 0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(shuffled.at("value")[0].item<int64_t>(), 31);
  EXPECT_EQ(view.Slice(shuffled, 1, 2).at("reward").size(0), 2);
}

TEST(ItemView, ChunksKeepTimeAndTheirStartingState) {
  TensorDict batch = Batch();
  batch["state"] = batch["state"].unsqueeze(-1);  // [C, B, S]
  const ItemView view(batch, TrainingPlan::Unit::kSteps, 4, 2, /*chunk=*/2);
  EXPECT_EQ(view.items(), 4);
  EXPECT_EQ(view.steps_per_item(), 2);
  // Item 3 is chunk 1 of row 1: steps 2 and 3.
  const torch::Tensor rewards = view.tensors().at("reward").select(1, 3);
  EXPECT_EQ(rewards[0].item<int64_t>(), 21);
  EXPECT_EQ(rewards[1].item<int64_t>(), 31);
  EXPECT_EQ(view.tensors().at("state")[3][0].item<int64_t>(), 111);
}

TEST(ItemView, SpacedItemsAreOfTheWholeBatch) {
  TensorDict batch = Batch();
  batch.erase("state");
  const ItemView steps(batch, TrainingPlan::Unit::kSteps, 4, 2, 0);
  const torch::Tensor some = steps.Spaced(3).at("value");
  EXPECT_TRUE(torch::equal(some, torch::tensor({0, 10, 21}))) << some;
  EXPECT_EQ(steps.Spaced(100).at("reward").size(0), 8);
  const ItemView sequences(batch, TrainingPlan::Unit::kSequences, 4, 2, 0);
  EXPECT_EQ(sequences.Spaced(3).at("value").sizes(), torch::IntArrayRef({5, 1}));
}

TEST(ItemView, SequencesKeepTheBootstrapRow) {
  TensorDict batch = Batch();
  batch.erase("state");
  const ItemView view(batch, TrainingPlan::Unit::kSequences, 4, 2, 0);
  EXPECT_EQ(view.items(), 2);
  EXPECT_EQ(view.Slice(view.tensors(), 1, 1).at("value").size(0), 5);
}

TEST(Permutation, HoldsEveryItemOnceAndDependsOnSeedBatchAndEpoch) {
  const torch::Tensor one = Permutation(1, 2, 3, 100);
  EXPECT_TRUE(torch::equal(std::get<0>(one.sort()), torch::arange(100)));
  EXPECT_TRUE(torch::equal(one, Permutation(1, 2, 3, 100)));
  EXPECT_FALSE(torch::equal(one, Permutation(1, 2, 4, 100)));
  EXPECT_FALSE(torch::equal(one, Permutation(1, 3, 3, 100)));
  EXPECT_FALSE(torch::equal(one, Permutation(2, 2, 3, 100)));
}

}  // namespace
}  // namespace millrace
