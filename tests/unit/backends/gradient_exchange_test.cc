#include "backends/gradient_exchange.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "backends/dense/flat_parameters.h"
#include "millrace/core/rng.h"
#include "two_ranks.h"

namespace millrace {
namespace {

std::vector<int32_t> BySorting(const std::vector<float>& numbers, int64_t count) {
  std::vector<int32_t> places(numbers.size());
  std::iota(places.begin(), places.end(), 0);
  std::stable_sort(places.begin(), places.end(), [&](int32_t a, int32_t b) {
    return std::fabs(numbers[static_cast<size_t>(a)]) > std::fabs(numbers[static_cast<size_t>(b)]);
  });
  places.resize(static_cast<size_t>(count));
  std::sort(places.begin(), places.end());
  return places;
}

TEST(LargestMagnitudes, AreThoseOfSorting) {
  Rng rng(1, 0);
  for (int round = 0; round < 60; ++round) {
    std::vector<float> numbers(1 + rng.Below(3000));
    for (float& number : numbers) {
      number = static_cast<float>(rng.Normal());
      if (round % 3 == 1) number = std::round(2 * number);  // many are equal
      if (round % 3 == 2) number *= std::pow(10.0F, static_cast<float>(rng.Below(30)) - 40);
    }
    const auto count = static_cast<int64_t>(rng.Below(numbers.size() + 1));
    EXPECT_EQ(LargestMagnitudes(numbers, count), BySorting(numbers, count)) << round;
  }
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(LargestMagnitudes(std::vector<float>{1, -infinity, 3, nan, 0}, 3),
            (std::vector<int32_t>{1, 2, 3}));
}

constexpr int64_t kSize = 1000;

torch::Tensor GradientsOf(int rank, int step) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(rank + 2 * step));
  return torch::randn({kSize}, generator);
}

class GradientExchangeOf : public testing::TestWithParam<std::pair<double, bool>> {};

// Of so many that their places go as bits, and of so few that they go as numbers.
INSTANTIATE_TEST_SUITE_P(Densities, GradientExchangeOf,
                         testing::Values(std::pair(0.05, true), std::pair(0.05, false),
                                         std::pair(0.01, true)));

TEST_P(GradientExchangeOf, SendsTheLargestAndTheRestLater) {
  const auto [density, feedback] = GetParam();
  const auto count = static_cast<int64_t>(density * kSize);
  WithTwoRanks([=](std::unique_ptr<Collectives> group) {
    GradientExchange exchange;
    exchange.Configure({.density = density, .error_feedback = feedback});
    torch::Tensor applied = torch::zeros({kSize}), wanted = torch::zeros({kSize});
    torch::Tensor unsent[2] = {torch::zeros({kSize}), torch::zeros({kSize})};
    for (int step = 0; step < 40; ++step) {
      torch::Tensor flat = GradientsOf(group->rank(), step);
      ASSERT_TRUE(exchange.Mean(flat, kSize, *group).ok());
      // What both ranks do, computed here for both.
      torch::Tensor expected = torch::zeros({kSize});
      for (int rank : {0, 1}) {
        const torch::Tensor g = GradientsOf(rank, step);
        wanted += g / 2;
        unsent[rank] += g;
        for (const int32_t place : LargestMagnitudes(FloatsOf(unsent[rank]), count)) {
          const torch::Tensor sent = unsent[rank][place].to(torch::kBFloat16).to(torch::kFloat32);
          expected[place] += sent / 2;
          unsent[rank][place] -= sent;
        }
        if (!feedback) unsent[rank].zero_();
      }
      EXPECT_TRUE(torch::allclose(flat, expected, 1e-6, 1e-6)) << step;
      applied += flat;
    }
    // Nothing is lost with feedback.
    const auto kept = (unsent[0] + unsent[1]) / 2;
    EXPECT_EQ(torch::allclose(applied + kept, wanted, 1e-4, 1e-4), feedback);
  });
}

TEST(GradientExchange, AStepThatIsNotFiniteOnOneRankLeavesAllAsTheyWere) {
  WithTwoRanks([](std::unique_ptr<Collectives> group) {
    GradientExchange disturbed, undisturbed;
    for (GradientExchange* exchange : {&disturbed, &undisturbed}) {
      exchange->Configure({.density = 0.01});
      torch::Tensor flat = GradientsOf(group->rank(), 0);
      ASSERT_TRUE(exchange->Mean(flat, kSize, *group).ok());
    }
    torch::Tensor flat = GradientsOf(group->rank(), 1);
    if (group->rank() == 1) flat.narrow(0, 100, 50).fill_(std::nanf(""));
    ASSERT_TRUE(disturbed.Mean(flat, kSize, *group).ok());
    EXPECT_TRUE(flat.isnan().any().item<bool>());
    flat = GradientsOf(group->rank(), 2);
    torch::Tensor expected = flat.clone();
    ASSERT_TRUE(disturbed.Mean(flat, kSize, *group).ok());
    ASSERT_TRUE(undisturbed.Mean(expected, kSize, *group).ok());
    EXPECT_TRUE(flat.equal(expected));
  });
}

TEST(GradientExchange, GoesBackWithABatch) {
  WithTwoRanks([](std::unique_ptr<Collectives> group) {
    GradientExchange exchange;
    exchange.Configure({.density = 0.1});
    const auto mean = [&](int step) {
      torch::Tensor flat = GradientsOf(group->rank(), step);
      EXPECT_TRUE(exchange.Mean(flat, kSize, *group).ok());
      return flat;
    };
    mean(0);
    exchange.Checkpoint();
    const torch::Tensor first = mean(1);
    mean(2);
    exchange.Rollback();
    EXPECT_TRUE(mean(1).equal(first));
  });
}

TEST(GradientExchange, IsTheMeanUnlessAskedForLess) {
  WithTwoRanks([](std::unique_ptr<Collectives> group) {
    GradientExchange exchange;
    torch::Tensor flat = GradientsOf(group->rank(), 0);
    ASSERT_TRUE(exchange.Mean(flat, kSize, *group).ok());
    EXPECT_TRUE(torch::allclose(flat, (GradientsOf(0, 0) + GradientsOf(1, 0)) / 2));
  });
}

}  // namespace
}  // namespace millrace
