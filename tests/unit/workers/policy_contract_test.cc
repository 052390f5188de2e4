#include "workers/common/policy_contract.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(PolicyContract, SurvivesJson) {
  PolicyContract contract;
  contract.sample = *Schema::Create({{"reward", DType::kFloat32, {}, Extent::kSteps},
                                     {"state", DType::kFloat32, {128}, Extent::kChunks}});
  contract.unroll = 32;
  contract.chunk = 8;
  contract.state_size = 128;
  contract.weight_bytes = 12345;
  contract.layout_hash = 0xFFFFFFFFFFFFFFFF;
  const auto read = PolicyContract::FromJson(contract.ToJson());
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read, contract);
  EXPECT_EQ(read->extents(4).chunks, 4);
}

TEST(PolicyContract, RefusesWhatIsNoContract) {
  EXPECT_FALSE(PolicyContract::FromJson("").ok());
  EXPECT_FALSE(PolicyContract::FromJson("{}").ok());
  EXPECT_FALSE(
      PolicyContract::FromJson(R"({"fields":[{"name":"x","dtype":99,"shape":[],"extent":1}]})")
          .ok());
}

}  // namespace
}  // namespace millrace
