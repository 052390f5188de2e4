#include "report/profile.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "ledger_folder.h"

namespace millrace {
namespace {

using ::testing::StartsWith;
using ProfileTest = LedgerFolder;

RoleProfile Role(int processes, const std::map<Activity, double>& seconds) {
  RoleProfile role{.processes = processes, .seconds = {}};
  for (const auto& [activity, spent] : seconds) role[activity] = spent;
  return role;
}

void Spend(Ledger& ledger, Activity activity, uint64_t nanoseconds) {
  ledger.activities()[static_cast<size_t>(activity)] += nanoseconds;
}

TEST_F(ProfileTest, AddsUpIncarnationsAndCountsProcessesOnce) {
  Spend(*Make("actor", 0, 1), Activity::kEnvironment, 1'000'000'000);
  Spend(*Make("actor", 0, 2), Activity::kEnvironment, 500'000'000);
  Spend(*Make("actor", 1, 1), Activity::kWaitCredit, 2'000'000'000);
  LedgerSet ledgers(folder_);
  ASSERT_TRUE(ledgers.Refresh().ok());
  const Profile profile = ProfileOf(ledgers.entries());
  const RoleProfile& actor = profile.at("actor");
  EXPECT_EQ(actor.processes, 2);
  EXPECT_DOUBLE_EQ(actor[Activity::kEnvironment], 1.5);
  EXPECT_DOUBLE_EQ(actor[Activity::kWaitCredit], 2.0);

  const Profile before = {{"actor", Role(2, {{Activity::kEnvironment, 1.25}})}};
  EXPECT_DOUBLE_EQ(Difference(profile, before).at("actor")[Activity::kEnvironment], 0.25);
  EXPECT_DOUBLE_EQ(Difference(profile, {}).at("actor")[Activity::kEnvironment], 1.5);
}

TEST(Profile, SharesAreOfAThreadsTimeAtWork) {
  const RoleProfile trainer = Role(1, {{Activity::kStartUp, 5},
                                       {Activity::kWaitSamples, 1},
                                       {Activity::kTrainForward, 2},
                                       {Activity::kTrainBackward, 1},
                                       {Activity::kIntakeIdle, 9},
                                       {Activity::kIntakeReceive, 1}});
  EXPECT_DOUBLE_EQ(trainer.Share(Activity::kTrainForward), 0.5);
  EXPECT_DOUBLE_EQ(trainer.Share(Activity::kIntakeReceive), 0.1);
  EXPECT_DOUBLE_EQ(trainer.Share(Activity::kStartUp), 0);
  EXPECT_DOUBLE_EQ(RoleProfile().Share(Activity::kIdle), 0);
  EXPECT_EQ(DescribeShares(trainer), "train 75% (forward 50%, backward 25%)  wait_samples 25%");
}

TEST(Profile, IsATreePerThread) {
  const RoleProfile trainer = Role(2, {{Activity::kWaitSamples, 1},
                                       {Activity::kTrainForward, 2},
                                       {Activity::kTrainBackward, 3},
                                       {Activity::kIntakeIdle, 4}});
  EXPECT_THAT(ProfileThreads(trainer), ::testing::ElementsAre("main", "intake"));
  const nlohmann::ordered_json json = ToJson(Profile{{"trainer", trainer}});
  EXPECT_EQ(json["trainer"]["processes"], 2);
  const auto& main = json["trainer"]["threads"]["main"];
  EXPECT_EQ(main["seconds"], 6);
  EXPECT_EQ(main["parts"]["train"]["seconds"], 5);
  EXPECT_EQ(main["parts"]["train"]["parts"]["backward"]["seconds"], 3);
  EXPECT_EQ(main["parts"].begin().key(), "train");  // the dearest first
  EXPECT_EQ(json["trainer"]["threads"]["intake"]["parts"]["idle"]["seconds"], 4);
}

TEST(Bottleneck, IsTheCoresIfTheyAreUsedUp) {
  const Profile profile = {{"actor", Role(1, {{Activity::kEnvironment, 9}})}};
  CpuUse cpu{
      .seconds = 8, .waited = 4, .available = 10, .seconds_by_role = {{"actor", 7}, {"policy", 2}}};
  EXPECT_EQ(
      Bottleneck(profile, cpu),
      "actor: 100 % of the time it worked (environments 100 %) while trainers waited for samples "
      "0 %");
  cpu.waited = 6;
  EXPECT_EQ(Bottleneck(profile, cpu),
            "cpu: the run used 80 % of its cores, most of it by the role actor; threads with work "
            "waited for a core 43 % of the time");
  cpu.seconds = 9.5;
  cpu.waited = 0;
  EXPECT_THAT(Bottleneck(profile, cpu), StartsWith("cpu: the run used 95 % of its cores"));
}

TEST(Bottleneck, NamesWhatActorsSpendTheirTimeOn) {
  const auto verdict = [](const RoleProfile& actor, const RoleProfile& policy,
                          const RoleProfile& trainer) {
    return Bottleneck({{"actor", actor}, {"policy", policy}, {"trainer", trainer}},
                      {.seconds = 5, .waited = 1, .available = 10, .seconds_by_role = {}});
  };
  const RoleProfile waits_for_credit =
      Role(1, {{Activity::kEnvironment, 1}, {Activity::kWaitCredit, 4}});
  const RoleProfile waits_for_actions =
      Role(1, {{Activity::kEnvironment, 1}, {Activity::kWaitActions, 4}});
  const RoleProfile busy_trainer =
      Role(1, {{Activity::kTrainForward, 4}, {Activity::kWaitSamples, 1}});
  const RoleProfile idle_trainer =
      Role(1, {{Activity::kTrainForward, 1}, {Activity::kWaitSamples, 1}});
  const RoleProfile busy_actor = Role(1, {{Activity::kEnvironment, 3}, {Activity::kWaitCredit, 2}});
  const RoleProfile busier_trainer =
      Role(1, {{Activity::kTrainForward, 99}, {Activity::kWaitSamples, 1}});
  const RoleProfile busy_policy = Role(1, {{Activity::kInferenceForward, 9}, {Activity::kIdle, 1}});
  const RoleProfile idle_policy = Role(1, {{Activity::kInferenceForward, 1}, {Activity::kIdle, 9}});
  EXPECT_THAT(verdict(busy_actor, idle_policy, busier_trainer), StartsWith("trainer: 99 %"));
  EXPECT_EQ(verdict(waits_for_credit, idle_policy, busy_trainer),
            "trainer: 80 % of the time it worked while actors waited for credit 80 %");
  EXPECT_THAT(verdict(waits_for_credit, idle_policy, idle_trainer), StartsWith("queue: "));
  EXPECT_EQ(verdict(waits_for_actions, busy_policy, idle_trainer),
            "policy: 90 % of the time it worked while actors waited for actions 80 %");
  EXPECT_THAT(verdict(waits_for_actions, idle_policy, idle_trainer), StartsWith("latency: "));
  EXPECT_EQ(
      verdict(
          Role(1,
               {{Activity::kEnvironment, 6}, {Activity::kRecord, 2}, {Activity::kWaitActions, 2}}),
          idle_policy, idle_trainer),
      "actor: 80 % of the time it worked (environments 60 %) while trainers waited for samples "
      "50 %");
  EXPECT_EQ(Bottleneck({}, {}), "unknown: no environment steps were made");
}

}  // namespace
}  // namespace millrace
