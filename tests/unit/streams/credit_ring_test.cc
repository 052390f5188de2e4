#include "streams/shm/credit_ring.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace millrace {
namespace {

TEST(CreditRing, IsFifoAndShowsTheNewest) {
  auto ring = std::make_unique<CreditRing>();
  EXPECT_FALSE(ring->Pop().has_value());
  EXPECT_FALSE(ring->Newest().has_value());
  ASSERT_TRUE(ring->Push({.batch = 1}));
  ASSERT_TRUE(ring->Push({.batch = 2}));
  EXPECT_EQ(ring->Newest()->batch, 2u);
  EXPECT_EQ(ring->Pop()->batch, 1u);
  EXPECT_EQ(ring->Newest()->batch, 2u);
  EXPECT_EQ(ring->Pop()->batch, 2u);
  EXPECT_FALSE(ring->Newest().has_value());
  EXPECT_EQ(ring->pushed(), 2u);
}

TEST(CreditRing, AFullRingRefusesAndLosesNothing) {
  auto ring = std::make_unique<CreditRing>();
  for (uint64_t i = 0; i < CreditRing::kCapacity; ++i) ASSERT_TRUE(ring->Push({.batch = i}));
  EXPECT_FALSE(ring->Push({.batch = 9999}));
  EXPECT_EQ(ring->Pop()->batch, 0u);
  EXPECT_TRUE(ring->Push({.batch = CreditRing::kCapacity}));
  for (uint64_t i = 1; i <= CreditRing::kCapacity; ++i) EXPECT_EQ(ring->Pop()->batch, i);
  EXPECT_FALSE(ring->Pop().has_value());
}

TEST(CreditRing, TwoThreadsSeeWholeCreditsInOrder) {
  constexpr uint64_t kCredits = 20000;
  auto ring = std::make_unique<CreditRing>();
  std::jthread granter([&] {
    for (uint64_t i = 1; i <= kCredits;) {
      if (ring->Push({.epoch = i, .batch = i, .min_version = i})) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  for (uint64_t i = 1; i <= kCredits;) {
    if (const auto newest = ring->Newest()) {
      EXPECT_EQ(newest->epoch, newest->min_version);
    }
    const auto credit = ring->Pop();
    if (!credit.has_value()) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(*credit, (Credit{.epoch = i, .batch = i, .min_version = i}));
    ++i;
  }
}

}  // namespace
}  // namespace millrace
