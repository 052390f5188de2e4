#include "report/activity.h"

#include "ledger_folder.h"

namespace millrace {
namespace {

using ActivityTest = LedgerFolder;

TEST_F(ActivityTest, AddsUpIncarnationsAndCountsProcessesOnce) {
  Make("actor", 0, 1)->Add(Counter::kEnvironmentNs, 1'000'000'000);
  Make("actor", 0, 2)->Add(Counter::kEnvironmentNs, 500'000'000);
  Make("actor", 1, 1)->Add(Counter::kWaitCreditNs, 2'000'000'000);
  Make("policy", 0, 1)->Add(Counter::kTrainNs, 1);  // not an activity of that role
  LedgerSet ledgers(folder_);
  ASSERT_TRUE(ledgers.Refresh().ok());
  const Activity activity = ActivityOf(ledgers.entries());
  EXPECT_EQ(activity.at("actor").processes, 2);
  EXPECT_DOUBLE_EQ(activity.at("actor").seconds.at("environment"), 1.5);
  EXPECT_DOUBLE_EQ(activity.at("actor").seconds.at("wait_credit"), 2.0);
  EXPECT_FALSE(activity.at("policy").seconds.contains("train"));

  // 1.5 of 2 processes x 10 seconds.
  EXPECT_DOUBLE_EQ(SharesBetween({}, activity, 10).at("actor").at("environment"), 0.075);
  EXPECT_DOUBLE_EQ(SharesBetween(activity, activity, 10).at("actor").at("environment"), 0);
  EXPECT_DOUBLE_EQ(SharesBetween({}, activity, 0).at("actor").at("environment"), 0);
}

TEST(Bottleneck, NamesWhatActorsSpendTheirTimeOn) {
  EXPECT_EQ(Bottleneck({{"actor", {{"environment", 0.1}, {"wait_credit", 0.81}}},
                        {"trainer", {{"train", 0.7}, {"assembly", 0.05}, {"publish", 0.03}}}}),
            "trainer: 78 % of the time it trained while actors waited for credit 81 %");
  EXPECT_EQ(Bottleneck({{"actor", {{"environment", 0.2}, {"wait_actions", 0.6}}},
                        {"policy", {{"inference", 0.9}}}}),
            "policy: 90 % of the time it computed while actors waited for actions 60 %");
  EXPECT_EQ(
      Bottleneck({{"actor", {{"environment", 0.8}}}, {"trainer", {{"idle", 0.5}}}}),
      "actor: 80 % of the time it stepped environments while trainers waited for samples 50 %");
  EXPECT_EQ(Bottleneck({}), "unknown: no environment steps were made");
}

}  // namespace
}  // namespace millrace
