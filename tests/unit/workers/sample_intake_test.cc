#include "workers/trainer/sample_intake.h"

#include <gtest/gtest.h>

#include <cmath>

#include "testing/stream_world.h"

namespace millrace {
namespace {

constexpr uint64_t kEpoch = 1;

SampleStreamSpec Spec() {
  auto schema = Schema::Create({{"reward", DType::kFloat32, {}, Extent::kSteps}});
  return {.policy = "default",
          .schema = *std::move(schema),
          .extents = {.steps = 2, .rows = 1},
          .environments = 1};
}

// The ranks of a trainer group and one actor.
class SampleIntakeTest : public testing::Test {
 protected:
  // Makes `ranks` intakes that share batches of `segments_per_batch`, and the actor.
  void Make(int ranks, int64_t segments_per_batch, int slots) {
    for (int rank = 0; rank < ranks; ++rank) {
      StreamContext context = world_.Worker(static_cast<uint32_t>(rank));
      auto state = std::make_unique<ConsumerState>();
      auto ledger = Ledger::Create(world_.directory(),
                                   {.role = "trainer",
                                    .index = static_cast<uint32_t>(rank),
                                    .policy = "default",
                                    .rank = static_cast<uint32_t>(rank),
                                    .process = {}},
                                   state.get());
      ASSERT_TRUE(ledger.ok()) << ledger.status();
      ledgers_.push_back(*std::move(ledger));
      context.ledger = ledgers_.back().get();
      SampleIntakeOptions options;
      options.spec = Spec();
      options.rank = rank;
      options.policy = "default";
      options.plan.segments_per_batch = segments_per_batch;
      options.plan.ranks = ranks;
      auto intake = SampleIntake::Create(options, context, *state);
      ASSERT_TRUE(intake.ok()) << intake.status();
      intakes_.push_back(*std::move(intake));
    }
    actor_ = world_.Worker(0);
    auto producer = MakeSampleProducer(Transport::kShm, actor_, Spec(), slots);
    ASSERT_TRUE(producer.ok()) << producer.status();
    producer_ = *std::move(producer);
    for (auto& intake : intakes_) intake->Begin(kEpoch, /*batch=*/0, /*version=*/0);
  }

  std::optional<Credit> AwaitCredit() {
    std::optional<Credit> credit;
    Eventually(*actor_.bell, [&] {
      if (!credit.has_value()) credit = producer_->TryCredit();
      return credit.has_value();
    });
    return credit;
  }

  void Post(const Credit& credit, float reward, uint32_t group = 0) {
    const auto open = producer_->Begin(credit);
    ASSERT_TRUE(open.has_value());
    for (float& value : producer_->layout().View("reward", open->payload).As<float>()) {
      value = reward;
    }
    SegmentHeader header;
    header.group = group;
    ASSERT_TRUE(producer_->Commit(*open, header).ok());
  }

  StreamWorld world_;
  std::vector<std::unique_ptr<Ledger>> ledgers_;
  StreamContext actor_;
  std::unique_ptr<SampleProducer> producer_;
  std::vector<std::unique_ptr<SampleIntake>> intakes_;
};

// The credit of a segment that another rank cannot use is granted again: rank 0 must hear of it, or
// that rank's share of the batch never comes together.
TEST_F(SampleIntakeTest, ASegmentDroppedByAnotherRankIsReplaced) {
  Make(/*ranks=*/2, /*segments_per_batch=*/2, /*slots=*/4);
  producer_->Want(4);
  for (int i = 0; i < 2; ++i) {
    const auto credit = AwaitCredit();
    ASSERT_TRUE(credit.has_value());
    Post(*credit, credit->rank == 1 ? NAN : 1.0F);
  }
  const auto replacement = AwaitCredit();
  ASSERT_TRUE(replacement.has_value());
  EXPECT_EQ(replacement->rank, 1u);
  EXPECT_EQ(replacement->batch, 0u);
  Post(*replacement, 1.0F);
  for (auto& intake : intakes_) {
    const auto batch = intake->Next(After(std::chrono::seconds(10)));
    ASSERT_TRUE(batch.ok()) << batch.status();
    EXPECT_EQ(batch->segments.size(), 1u);
  }
  const ConsumerState state = intakes_[1]->State();
  EXPECT_EQ(state.dropped[static_cast<size_t>(DropReason::kNonfinite)].segments, 1u);
}

// A batch is ordered by group, its lane by sequence: 100 segments of two groups, turn by turn, are
// each counted once, however far apart the two orders are.
TEST_F(SampleIntakeTest, ManySegmentsOfOneLaneInOneBatchAreEachTrainedOnce) {
  constexpr int kSegments = 100;
  Make(/*ranks=*/1, kSegments, /*slots=*/kSegments);
  producer_->Want(kSegments);
  for (uint32_t i = 0; i < kSegments; ++i) {
    const auto credit = AwaitCredit();
    ASSERT_TRUE(credit.has_value());
    Post(*credit, 1.0F, /*group=*/i % 2);
  }
  auto batch = intakes_[0]->Next(After(std::chrono::seconds(10)));
  ASSERT_TRUE(batch.ok()) << batch.status();
  intakes_[0]->SetPending(*batch);
  intakes_[0]->Commit(*std::move(batch), /*next_version=*/1);
  const ConsumerState state = intakes_[0]->State();
  EXPECT_EQ(state.trained.segments, static_cast<uint64_t>(kSegments));
  EXPECT_EQ(state.duplicates.segments, 0u);
  EXPECT_TRUE(Eventually(*actor_.bell, [&] { return producer_->unacknowledged() == 0; }));
}

}  // namespace
}  // namespace millrace
