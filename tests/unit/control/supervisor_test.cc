#include "control/supervisor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

namespace millrace {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const WorkerId kActor{"actor", 0};
const WorkerId kTrainer{"trainer", 0};

WorkerInstance Instance(const WorkerId& id, uint32_t incarnation, int32_t pid = 0) {
  return {.id = id, .incarnation = incarnation, .pid = pid};
}

class SupervisorTest : public ::testing::Test {
 protected:
  static SupervisorOptions Options() {
    SupervisorOptions options;
    options.plan = {kActor, kTrainer};
    options.next_incarnations = {{kTrainer, 4}};
    options.restart.max_restarts_per_minute = 2;
    return options;
  }
  // Both started, alive and registered.
  void StartAll() {
    supervisor_.TakeAgentReport({}, {}, now_);
    ASSERT_EQ(supervisor_.Starts(now_).size(), 2u);
    living_ = {Instance(kActor, 0, 10), Instance(kTrainer, 4, 20)};
    supervisor_.TakeAgentReport(living_, {}, now_);
    for (const WorkerInstance& worker : living_) {
      ASSERT_TRUE(supervisor_.Admit(worker, now_).ok());
    }
  }
  void ActorExits(uint32_t incarnation, int exit_code, int signal) {
    supervisor_.TakeAgentReport({living_[1]}, {{Instance(kActor, incarnation), exit_code, signal}},
                                now_);
  }
  WorkerSnapshot Actor() { return supervisor_.Workers(now_).at(0); }

  Clock::time_point now_ = Clock::time_point(seconds(1000));
  Supervisor supervisor_{Options()};
  std::vector<WorkerInstance> living_;
};

TEST_F(SupervisorTest, StartsNothingBeforeTheAgentHasReported) {
  EXPECT_THAT(supervisor_.Starts(now_), IsEmpty());
  supervisor_.TakeAgentReport({}, {}, now_);
  EXPECT_THAT(supervisor_.Starts(now_), ElementsAre(Instance(kActor, 0), Instance(kTrainer, 4)));
}

TEST_F(SupervisorTest, RepeatsAStartUntilTheAgentConfirmsIt) {
  supervisor_.TakeAgentReport({}, {}, now_);
  EXPECT_EQ(supervisor_.Starts(now_).size(), 2u);
  supervisor_.TakeAgentReport({Instance(kTrainer, 4, 20)}, {}, now_);
  EXPECT_THAT(supervisor_.Starts(now_), ElementsAre(Instance(kActor, 0)));
}

TEST_F(SupervisorTest, DeadWorkerComesBackAfterTheDelayAsTheNextIncarnation) {
  StartAll();
  ActorExits(0, 0, SIGSEGV);
  ActorExits(0, 0, SIGSEGV);  // a repeated report changes nothing
  EXPECT_EQ(Actor().restarts, 1u);
  EXPECT_EQ(Actor().last_exit, "killed by signal 11");
  EXPECT_THAT(supervisor_.Starts(now_), IsEmpty());
  now_ += milliseconds(200);
  EXPECT_THAT(supervisor_.Starts(now_), ElementsAre(Instance(kActor, 1)));
}

TEST_F(SupervisorTest, OrderlyExitIsNotRestarted) {
  StartAll();
  ActorExits(0, 0, 0);
  now_ += seconds(10);
  EXPECT_THAT(supervisor_.Starts(now_), IsEmpty());
  EXPECT_TRUE(supervisor_.AllExited({"actor"}));
  EXPECT_FALSE(supervisor_.AllExited({"actor", "trainer"}));
  EXPECT_FALSE(supervisor_.failure().has_value());
}

TEST_F(SupervisorTest, WorkerThatNeedsTheUserEndsTheRunWithItsReason) {
  StartAll();
  supervisor_.NoteFailure(kActor, "no plug-in libx.so");
  ActorExits(0, 4, 0);
  ASSERT_TRUE(supervisor_.failure().has_value());
  EXPECT_EQ(supervisor_.failure()->exit_code, 4);
  EXPECT_EQ(supervisor_.failure()->reason, "actor-0: no plug-in libx.so");
}

TEST_F(SupervisorTest, CrashLoopEndsTheRun) {
  StartAll();
  for (uint32_t incarnation = 0; incarnation < 3; ++incarnation) {
    EXPECT_FALSE(supervisor_.failure().has_value());
    ActorExits(incarnation, 1, 0);
    now_ += seconds(5);
    supervisor_.Starts(now_);
  }
  ASSERT_TRUE(supervisor_.failure().has_value());
  EXPECT_EQ(supervisor_.failure()->exit_code, 3);
  EXPECT_THAT(supervisor_.failure()->reason, HasSubstr("exited with code 1"));
}

TEST_F(SupervisorTest, NothingIsRestartedOnceStartsAreOver) {
  StartAll();
  supervisor_.StopStarting();
  ActorExits(0, 0, SIGKILL);
  now_ += seconds(60);
  EXPECT_THAT(supervisor_.Starts(now_), IsEmpty());
  EXPECT_TRUE(supervisor_.AllExited({"actor"}));
}

TEST_F(SupervisorTest, StopBeforeTheFirstReportStillLetsLivingWorkersBeAdopted) {
  supervisor_.StopStarting();
  supervisor_.TakeAgentReport({Instance(kTrainer, 3, 20)}, {}, now_);
  EXPECT_THAT(supervisor_.Starts(now_), ElementsAre());
  EXPECT_TRUE(supervisor_.AllExited({"actor"}));
  EXPECT_FALSE(supervisor_.AllExited({"trainer"}));
}

TEST_F(SupervisorTest, LeaseEndsWhenItIsNotRenewed) {
  StartAll();
  now_ += seconds(5);
  EXPECT_TRUE(supervisor_.Renew(living_[1], now_));
  now_ += seconds(1);
  EXPECT_THAT(supervisor_.ExpireLeases(now_), ElementsAre(living_[0]));
  EXPECT_THAT(supervisor_.ExpireLeases(now_), IsEmpty());
  EXPECT_EQ(Actor().state, WorkerState::kLost);
  EXPECT_FALSE(supervisor_.Renew(living_[0], now_));
  EXPECT_TRUE(supervisor_.Admit(living_[0], now_).ok());
  EXPECT_EQ(Actor().state, WorkerState::kRunning);
}

TEST_F(SupervisorTest, WorkerWithoutLeaseIsKilledAfterTheGraceTime) {
  StartAll();
  now_ += seconds(6);
  supervisor_.Renew(living_[1], now_);
  supervisor_.ExpireLeases(now_);
  EXPECT_THAT(supervisor_.Kills(now_), IsEmpty());
  now_ += seconds(15);
  supervisor_.ExpireLeases(now_);
  const std::vector<KillOrder> kills = supervisor_.Kills(now_);
  ASSERT_EQ(kills.size(), 1u);
  EXPECT_EQ(kills[0].instance.id, kActor);
  EXPECT_EQ(kills[0].signal, SIGKILL);
  EXPECT_THAT(supervisor_.Kills(now_), IsEmpty()) << "repeated only every second";
}

TEST_F(SupervisorTest, ZombiesAndStrangersAreRefused) {
  StartAll();
  ActorExits(0, 0, SIGKILL);
  now_ += seconds(1);
  supervisor_.Starts(now_);
  EXPECT_TRUE(absl::IsFailedPrecondition(supervisor_.Admit(Instance(kActor, 0), now_)));
  EXPECT_TRUE(absl::IsFailedPrecondition(supervisor_.Admit(Instance({"actor", 9}, 0), now_)));
  EXPECT_TRUE(supervisor_.Admit(Instance(kActor, 1), now_).ok());
}

TEST_F(SupervisorTest, NewControllerAdoptsWhatLives) {
  // The trainer's ledger says incarnation 3, so the next would be 4; number 3 is still alive.
  ASSERT_TRUE(supervisor_.Admit(Instance(kTrainer, 3, 20), now_).ok());
  EXPECT_FALSE(supervisor_.KnowsAllLiving());
  supervisor_.TakeAgentReport({Instance(kActor, 7, 10), Instance(kTrainer, 3, 20)}, {}, now_);
  EXPECT_FALSE(supervisor_.KnowsAllLiving()) << "the actor has not registered yet";
  ASSERT_TRUE(supervisor_.Admit(Instance(kActor, 7, 10), now_).ok());
  EXPECT_TRUE(supervisor_.KnowsAllLiving());
  EXPECT_THAT(supervisor_.Starts(now_), IsEmpty());
  supervisor_.TakeAgentReport({Instance(kTrainer, 3, 20)}, {{Instance(kActor, 7), 0, SIGKILL}},
                              now_);
  now_ += seconds(1);
  EXPECT_THAT(supervisor_.Starts(now_), ElementsAre(Instance(kActor, 8)));
}

TEST_F(SupervisorTest, UnwantedProcessIsKilled) {
  supervisor_.TakeAgentReport({Instance({"buffer", 0}, 0, 30)}, {}, now_);
  const std::vector<KillOrder> kills = supervisor_.Kills(now_);
  ASSERT_EQ(kills.size(), 1u);
  EXPECT_EQ(kills[0].instance.pid, 30);
}

}  // namespace
}  // namespace millrace
