#include <cmath>

#include "backends/gloo_collectives.h"
#include "backends/single_rank_collectives.h"
#include "two_ranks.h"

namespace millrace {
namespace {

class TwoRanks : public testing::TestWithParam<Meeting> {};

INSTANTIATE_TEST_SUITE_P(Collectives, TwoRanks, testing::Values(Meeting::kGloo, Meeting::kShm),
                         [](const auto& test) {
                           return test.param == Meeting::kGloo ? "Gloo" : "SharedMemory";
                         });

TEST_P(TwoRanks, ReduceGatherAndBroadcast) {
  const auto rank_main = [](std::unique_ptr<Collectives> group) {
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
    auto in_pieces = torch::full({4, 2}, rank).t();
    ASSERT_TRUE(group->AllReduceSum(in_pieces).ok());
    EXPECT_TRUE((in_pieces == 1.0F).all().item<bool>());
    // Rank r sends r + 1 numbers to the other and none to itself, the second time the other way.
    for (const bool to_itself : {false, true}) {
      std::vector<torch::Tensor> to, from;
      for (int r = 0; r < 2; ++r) {
        const bool sends = (r == group->rank()) == to_itself;
        to.push_back(torch::full({sends ? group->rank() + 1 : 0}, rank + 5));
        from.push_back(torch::zeros({sends ? r + 1 : 0}));
      }
      ASSERT_TRUE(group->AllToAll(to, from).ok());
      for (int r = 0; r < 2; ++r) {
        EXPECT_TRUE((from[static_cast<size_t>(r)] == static_cast<float>(r + 5)).all().item<bool>());
      }
    }
    EXPECT_TRUE(group->Barrier().ok());
  };
  WithTwoRanks(rank_main, GetParam());
}

TEST_P(TwoRanks, NotANumberReachesBoth) {
  const auto rank_main = [](std::unique_ptr<Collectives> group) {
    auto flat = torch::full({4}, group->rank() == 0 ? std::nanf("") : 1.0F);
    ASSERT_TRUE(group->AllReduceMean(flat).ok());
    EXPECT_TRUE(flat.isnan().all().item<bool>());
  };
  WithTwoRanks(rank_main, GetParam());
}

TEST_P(TwoRanks, ALostPeerFinishesTheGroup) {
  const auto rank_main = [](std::unique_ptr<Collectives> group) {
    if (group->rank() == 1) return;  // leaves
    auto flat = torch::ones({4});
    // The peer may leave during the first operation; its loss is seen by the next at the latest.
    absl::Status status;
    for (int i = 0; i < 2 && status.ok(); ++i) status = group->AllReduceSum(flat);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_EQ(group->Barrier().code(), absl::StatusCode::kUnavailable);
  };
  WithTwoRanks(rank_main, GetParam());
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
