#include "env/rec_slate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "core/subsets.h"
#include "millrace/core/rng.h"

namespace millrace {
namespace {

// The number of a slate of these candidates.
int32_t SlateOf(std::vector<int64_t> candidates, int64_t of = 10) {
  std::ranges::sort(candidates);
  const auto slates = Subsets(of, std::ssize(candidates));
  return static_cast<int32_t>(std::ranges::find(slates, candidates) - slates.begin());
}

// An environment with the memory of its observation.
class Session {
 public:
  explicit Session(const RecSlateOptions& options) : environment(options) {
    for (const Field& field : environment.spec().agents[0].observation.fields) {
      bytes_.emplace_back(static_cast<size_t>(NumElements(field.shape)) * SizeOf(field.dtype));
      views_.push_back({field.dtype, field.shape, bytes_.back().data()});
    }
    slot.observation = views_;
  }

  // Tells the number of a slate.
  using Policy = std::function<int32_t(const RecSlate&)>;
  double Play(uint64_t seed, const Policy& policy) {
    slot = AgentSlot();
    slot.observation = views_;
    EXPECT_TRUE(environment.Reset(seed, {&slot, 1}).ok());
    double sum = 0;
    do {
      const std::vector<int32_t> choices = {policy(environment)};
      slot = AgentSlot();
      slot.observation = views_;
      slot.discrete = choices;
      EXPECT_TRUE(environment.Step({&slot, 1}).ok());
      sum += slot.reward;
    } while (!slot.terminated && !slot.truncated);
    return sum;
  }
  std::span<const int64_t> ids() const { return views_[0].As<int64_t>(); }
  std::span<const int32_t> counts() const { return views_[1].As<int32_t>(); }

  RecSlate environment;
  AgentSlot slot;

 private:
  std::vector<std::vector<std::byte>> bytes_;
  std::vector<TensorView> views_;
};

double MeanReturn(const RecSlateOptions& options, const Session::Policy& policy) {
  constexpr int kEpisodes = 1500;
  Session session(options);
  double sum = 0;
  for (uint64_t seed = 0; seed < kEpisodes; ++seed) sum += session.Play(seed, policy);
  return sum / kEpisodes;
}

// The candidates with the most of something.
Session::Policy Best(std::function<double(const RecSlate&, int64_t item)> score) {
  return [score = std::move(score)](const RecSlate& environment) {
    const std::vector<int64_t>& candidates = environment.candidates();
    std::vector<int64_t> order(candidates.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater(), [&](int64_t c) {
      return score(environment, candidates[static_cast<size_t>(c)]);
    });
    return SlateOf({order.begin(), order.begin() + 3}, std::ssize(candidates));
  };
}

// Returns of RecSim's dynamics as others measured them, 3,000 episodes each, in a world of their
// own: popular items that are better or worse make a few per cent.
TEST(RecSlate, HasTheReturnsOfKnownPolicies) {
  Rng rng(1, 0);
  const auto anything = [&](const RecSlate&) { return static_cast<int32_t>(rng.Below(120)); };
  const auto quality =
      Best([](const RecSlate& e, int64_t item) { return e.world().ItemOf(item).quality; });
  const auto interest = Best(
      [](const RecSlate& e, int64_t item) { return e.interests()[e.world().ItemOf(item).topic]; });
  EXPECT_NEAR(MeanReturn({}, anything), 150.4, 3);
  EXPECT_NEAR(MeanReturn({}, interest), 157.3, 4);
  EXPECT_NEAR(MeanReturn({}, quality), 234.3, 8);
  EXPECT_NEAR(MeanReturn({.candidates = 20}, quality), 313.8, 12);
}

TEST(RecSlate, ShowsIdsAndHistories) {
  Session session({.candidates = 4, .items = 50, .users = 7});
  session.slot.present = false;
  ASSERT_TRUE(session.environment.Reset(3, {&session.slot, 1}).ok());
  const auto first = session.environment.candidates();
  EXPECT_TRUE(std::ranges::equal(session.ids().first(4), first));
  EXPECT_TRUE(
      std::ranges::equal(session.counts(), std::vector<int32_t>{1, 1, 1, 1, 0, 0, 1, 1, 1}));
  EXPECT_LT(session.ids()[4], 7);   // user
  EXPECT_EQ(session.ids()[5], 19);  // patience
  EXPECT_EQ(session.ids()[6], 0);   // step
  const std::vector<int32_t> choices = {SlateOf({1, 2, 3}, 4)};
  session.slot.discrete = choices;
  ASSERT_TRUE(session.environment.Step({&session.slot, 1}).ok());
  std::vector<int64_t> shown(session.ids().begin() + 4, session.ids().begin() + 7);
  std::vector<int64_t> slate = {first[1], first[2], first[3]};
  std::ranges::sort(shown);
  std::ranges::sort(slate);
  EXPECT_EQ(shown, slate);
  EXPECT_EQ(session.counts()[4] + session.counts()[5], 3);
  EXPECT_EQ(session.counts()[4], session.slot.reward > 0 ? 1 : 0);
}

TEST(RecSlate, HiddenItemsLookAlike) {
  Session session({.hide_items = true});
  ASSERT_TRUE(session.environment.Reset(3, {&session.slot, 1}).ok());
  EXPECT_TRUE(std::ranges::all_of(session.ids().first(10), [](int64_t id) { return id == 0; }));
  EXPECT_EQ(session.environment.spec().agents[0].observation.id_features[0].rows, 1);
}

}  // namespace
}  // namespace millrace
