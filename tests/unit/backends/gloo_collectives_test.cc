#include "backends/gloo_collectives.h"

#include <cmath>

#include "backends/single_rank_collectives.h"
#include "two_ranks.h"

namespace millrace {
namespace {

TEST(GlooCollectives, ReduceAndBroadcastOverAStoreAdapter) {
  WithTwoRanks([](std::unique_ptr<Collectives> group) {
    const auto rank = static_cast<float>(group->rank());
    EXPECT_EQ(group->size(), 2);
    // Both ways of summing: gathered (small) and reduced by Gloo (over 1 MiB in sum).
    for (int64_t size : {int64_t{5}, int64_t{300000}}) {
      auto mean = torch::full({size}, 1.0F + 2.0F * rank);  // 1 and 3
      ASSERT_TRUE(group->AllReduceMean(mean).ok());
      EXPECT_TRUE((mean == 2.0F).all().item<bool>());
    }
    auto sum = torch::tensor({int64_t{1}, int64_t{2}});
    ASSERT_TRUE(group->AllReduceSum(sum).ok());
    EXPECT_TRUE(sum.equal(torch::tensor({int64_t{2}, int64_t{4}})));
    auto all = torch::empty({2, 3});
    ASSERT_TRUE(group->AllGather(torch::full({3}, rank), all).ok());
    EXPECT_TRUE(all.equal(torch::tensor({{0.0F, 0.0F, 0.0F}, {1.0F, 1.0F, 1.0F}})));
    auto from_one = torch::full({3}, rank);
    ASSERT_TRUE(group->Broadcast(from_one, 1).ok());
    EXPECT_TRUE((from_one == 1.0F).all().item<bool>());
    EXPECT_TRUE(group->Barrier().ok());
  });
}

TEST(GlooCollectives, NotANumberReachesEveryRank) {
  WithTwoRanks([](std::unique_ptr<Collectives> group) {
    auto flat = torch::full({4}, group->rank() == 0 ? std::nanf("") : 1.0F);
    ASSERT_TRUE(group->AllReduceMean(flat).ok());
    EXPECT_TRUE(flat.isnan().all().item<bool>());
  });
}

TEST(GlooCollectives, ALostPeerFinishesTheGroup) {
  WithTwoRanks([](std::unique_ptr<Collectives> group) {
    if (group->rank() == 1) return;  // leaves
    auto flat = torch::ones({4});
    // The peer may leave during the first operation; its loss is seen by the next at the latest.
    absl::Status status;
    for (int i = 0; i < 2 && status.ok(); ++i) status = group->AllReduceSum(flat);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_EQ(group->Barrier().code(), absl::StatusCode::kUnavailable);
  });
}

TEST(GlooCollectives, AMissingPeerIsAnErrorAfterTheTimeout) {
  KeyValues values;
  auto store =
      c10::make_intrusive<C10dStoreAdapter>(values.Callbacks(), std::chrono::milliseconds(100));
  const auto group = MakeGlooCollectives(store, 0, 2, std::chrono::milliseconds(100));
  EXPECT_EQ(group.status().code(), absl::StatusCode::kUnavailable);
}

TEST(SingleRankCollectives, AreTheIdentity) {
  const auto group = MakeSingleRankCollectives();
  auto flat = torch::arange(3);
  ASSERT_TRUE(group->AllReduceMean(flat).ok());
  EXPECT_TRUE(flat.equal(torch::arange(3)));
  auto all = torch::empty({1, 3}, torch::kLong);
  ASSERT_TRUE(group->AllGather(flat, all).ok());
  EXPECT_TRUE(all[0].equal(flat));
}

}  // namespace
}  // namespace millrace
