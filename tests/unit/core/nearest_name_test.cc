#include "millrace/core/nearest_name.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace {
namespace {

const std::vector<std::string> kNames = {"cartpole", "pendulum", "acrobot", "mountain_car"};

TEST(NearestName, FindsMisspellings) {
  EXPECT_EQ(NearestName("cartpol", kNames), "cartpole");    // missing letter
  EXPECT_EQ(NearestName("catrpole", kNames), "cartpole");   // swapped letters
  EXPECT_EQ(NearestName("pendulumm", kNames), "pendulum");  // extra letter
  EXPECT_EQ(NearestName("acrobat", kNames), "acrobot");     // replaced letter
}

TEST(NearestName, SaysNothingIfNothingIsClose) {
  EXPECT_EQ(NearestName("xyz", kNames), "");
  EXPECT_EQ(NearestName("anything", {}), "");
}

TEST(DidYouMean, IsTheTailOfAnErrorMessage) {
  EXPECT_EQ(DidYouMean("acrobat", kNames), "; did you mean \"acrobot\"?");
  EXPECT_EQ(DidYouMean("xyz", kNames), "");
}

}  // namespace
}  // namespace millrace
