#include "workers/trainer/trainer_group.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(DecideFormation, AFreshRunBeginsAtVersionZero) {
  const Formation formation = Decide({GroupMember{}, GroupMember{}});
  EXPECT_EQ(formation.version, 0u);
  EXPECT_EQ(formation.epoch, 1u);
  EXPECT_EQ(formation.source, 0);
}

TEST(DecideFormation, LiveParametersWinOverACheckpoint) {
  GroupMember restarted{.batch = 50, .version = 80, .epoch = 4};
  GroupMember survivor{.has_parameters = true, .batch = 40, .version = 81, .epoch = 4};
  const Formation formation = Decide({restarted, survivor});
  EXPECT_EQ(formation.source, 1);
  EXPECT_EQ(formation.winner.batch, 40u);
  EXPECT_EQ(formation.version, 82u) << "a version is never used twice";
  EXPECT_EQ(formation.epoch, 5u);
}

TEST(DecideFormation, MoreBatchesWinAmongTheLiving) {
  GroupMember behind{.has_parameters = true, .batch = 40};
  GroupMember ahead{.has_parameters = true, .batch = 41};
  EXPECT_EQ(Decide({behind, ahead}).source, 1);
  EXPECT_EQ(Decide({ahead, ahead}).source, 0);
}

}  // namespace
}  // namespace millrace
