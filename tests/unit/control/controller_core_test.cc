#include "control/controller_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/rpc.h"

namespace millrace {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A held call and its answer.
template <typename Reply>
struct Held {
  Reply reply;
  int answers = 0;
  absl::Status status;
  ControllerCore::Done done() {
    return [this](absl::Status s) {
      ++answers;
      status = std::move(s);
    };
  }
};

class ControllerCoreTest : public ::testing::Test {
 protected:
  ControllerCoreOptions Options(uint64_t epoch) {
    ControllerCoreOptions options;
    options.ledger_directory = "/nonexistent";
    options.config_yaml = "version: 1";
    options.epoch = epoch;
    options.supervisor.plan = {{"actor", 0}, {"trainer", 0}};
    options.now = [this] { return now_; };
    return options;
  }
  static uint64_t Register(ControllerCore& core, const std::string& role,
                           const std::vector<NameEntry>& keys = {}) {
    control::RegisterRequest request;
    request.set_role(role);
    request.set_version(kControlVersion);
    for (const NameEntry& key : keys) {
      control::NameRecord* record = request.add_keys();
      record->set_key(key.key);
      record->set_value(key.value);
    }
    control::RegisterReply reply;
    EXPECT_TRUE(core.Register(request, &reply).ok());
    return reply.lease_id();
  }
  static control::SyncRequest SyncOf(uint64_t lease, uint64_t revision = 0) {
    control::SyncRequest request;
    request.set_lease_id(lease);
    request.set_revision(revision);
    request.add_watched("x/");
    return request;
  }
  static absl::Status Put(ControllerCore& core, uint64_t lease, const std::string& key) {
    control::PutRequest request;
    request.set_lease_id(lease);
    request.set_key(key);
    request.set_value("v");
    return core.Put(request);
  }

  Clock::time_point now_ = Clock::time_point(seconds(1000));
};

TEST_F(ControllerCoreTest, WrongVersionIsRefusedWithAReason) {
  ControllerCore core(Options(1));
  control::RegisterRequest request;
  request.set_role("actor");
  request.set_version("millrace-control/0");
  control::RegisterReply reply;
  EXPECT_TRUE(absl::IsFailedPrecondition(core.Register(request, &reply)));
}

TEST_F(ControllerCoreTest, SyncIsHeldUntilANameChanges) {
  ControllerCore core(Options(1));
  const uint64_t actor = Register(core, "actor");
  const uint64_t trainer = Register(core, "trainer");
  Held<control::SyncReply> sync;
  core.Sync(SyncOf(trainer), &sync.reply, sync.done());
  ASSERT_TRUE(Put(core, actor, "y/1").ok());
  EXPECT_EQ(sync.answers, 0);
  ASSERT_TRUE(Put(core, actor, "x/1").ok());
  ASSERT_EQ(sync.answers, 1);
  ASSERT_EQ(sync.reply.changes_size(), 1);
  EXPECT_EQ(sync.reply.changes(0).key(), "x/1");
}

TEST_F(ControllerCoreTest, SyncIsAnsweredEmptyWhenTheHeartbeatIsDue) {
  ControllerCore core(Options(1));
  Held<control::SyncReply> sync;
  core.Sync(SyncOf(Register(core, "actor")), &sync.reply, sync.done());
  now_ += milliseconds(499);
  core.Tick();
  EXPECT_EQ(sync.answers, 0);
  now_ += milliseconds(1);
  core.Tick();
  EXPECT_EQ(sync.answers, 1);
  EXPECT_EQ(sync.reply.changes_size(), 0);
}

TEST_F(ControllerCoreTest, SyncIsAnsweredWhenTheCommandChanges) {
  ControllerCore core(Options(1));
  Held<control::SyncReply> actor, trainer;
  core.Sync(SyncOf(Register(core, "actor")), &actor.reply, actor.done());
  core.Sync(SyncOf(Register(core, "trainer")), &trainer.reply, trainer.done());
  control::CommandRequest pause;
  pause.set_kind(control::CommandRequest::PAUSE);
  ASSERT_TRUE(core.Command(pause).ok());
  EXPECT_EQ(actor.answers, 1);
  EXPECT_EQ(actor.reply.command(), static_cast<uint32_t>(WorkerCommand::kPause));
  EXPECT_EQ(trainer.answers, 0);
  core.RequestDrain({"trainer"});
  EXPECT_EQ(trainer.answers, 1);
  EXPECT_EQ(trainer.reply.command(), static_cast<uint32_t>(WorkerCommand::kDrain));
}

TEST_F(ControllerCoreTest, ExpiredLeaseTakesItsKeysAlong) {
  ControllerCore core(Options(1));
  const uint64_t actor = Register(core, "actor", {{"x/1", "v"}});
  now_ += seconds(5);
  const uint64_t trainer = Register(core, "trainer");
  now_ += milliseconds(999);
  core.Tick();
  EXPECT_EQ(core.ListNames("x/").size(), 1u);
  Held<control::SyncReply> sync;
  core.Sync(SyncOf(trainer, core.name_revision()), &sync.reply, sync.done());
  now_ += milliseconds(1);
  core.Tick();
  EXPECT_THAT(core.ListNames("x/"), IsEmpty());
  ASSERT_EQ(sync.reply.changes_size(), 1);
  EXPECT_TRUE(sync.reply.changes(0).deleted());
  EXPECT_TRUE(absl::IsNotFound(Put(core, actor, "x/2")));
}

TEST_F(ControllerCoreTest, ExitReportTakesTheKeysAtOnceAndClosesTheActor) {
  ControllerCore core(Options(1));
  Register(core, "actor", {{"x/1", "v"}});
  control::AgentSyncRequest request;
  request.set_agent("a");
  request.set_sequence(1);
  control::ExitRecord* exit = request.add_exits();
  exit->mutable_process()->set_role("actor");
  exit->set_signal(9);
  Held<control::AgentSyncReply> agent;
  core.AgentSync(request, &agent.reply, agent.done());
  // It died before it had a ledger: it has produced nothing.
  EXPECT_THAT(core.ListNames(""), ElementsAre(NameEntry{"closed/producer/0/0", R"({"lanes":[]})"}));
  ASSERT_EQ(agent.answers, 1);
  ASSERT_EQ(agent.reply.start_size(), 1) << "the trainer; the actor waits for its delay";
  Held<control::AgentSyncReply> late;
  core.AgentSync(request, &late.reply, late.done());
  EXPECT_TRUE(absl::IsAborted(late.status)) << "the same sequence number again";
}

TEST_F(ControllerCoreTest, NewControllerHoldsNamesBackUntilItKnowsAllLivingWorkers) {
  ControllerCore core(Options(2));
  const uint64_t trainer = Register(core, "trainer");
  control::SyncRequest request = SyncOf(trainer);
  request.clear_watched();
  request.add_added("x/");
  Held<control::SyncReply> sync;
  core.Sync(request, &sync.reply, sync.done());
  EXPECT_EQ(sync.answers, 0);

  control::AgentSyncRequest report;
  report.set_agent("a");
  report.set_sequence(1);
  report.add_living()->set_role("actor");
  report.add_living()->set_role("trainer");
  Held<control::AgentSyncReply> agent;
  core.AgentSync(report, &agent.reply, agent.done());
  core.Tick();
  EXPECT_EQ(sync.answers, 0) << "the actor lives and has not told its keys";

  Register(core, "actor", {{"x/1", "v"}});
  core.Tick();
  ASSERT_EQ(sync.answers, 1);
  EXPECT_FALSE(sync.reply.names_held());
  EXPECT_EQ(sync.reply.complete_size(), 1);
  EXPECT_EQ(sync.reply.changes_size(), 1);
}

TEST_F(ControllerCoreTest, NewControllerWaitsForTheLivingNoLongerThanALease) {
  ControllerCore core(Options(2));
  Register(core, "actor");
  now_ += seconds(6);
  core.Tick();
  const uint64_t trainer = Register(core, "trainer");
  control::SyncRequest request = SyncOf(trainer);
  request.add_added("z/");
  Held<control::SyncReply> sync;
  core.Sync(request, &sync.reply, sync.done());
  EXPECT_EQ(sync.answers, 1);
  EXPECT_FALSE(sync.reply.names_held());
}

TEST_F(ControllerCoreTest, RepeatedStoreOperationIsNotCarriedOutAgain) {
  ControllerCore core(Options(1));
  control::StoreRequest request;
  request.set_lease_id(Register(core, "trainer"));
  request.set_operation(control::StoreRequest::ADD);
  request.set_sequence(1);
  request.set_key("n");
  request.set_amount(5);
  control::StoreReply reply;
  ASSERT_TRUE(core.Store(request, &reply).ok());
  EXPECT_EQ(reply.number(), 5);
  reply.Clear();
  // Also after the worker has registered again.
  request.set_lease_id(Register(core, "trainer"));
  ASSERT_TRUE(core.Store(request, &reply).ok());
  EXPECT_EQ(reply.number(), 5);
  request.set_sequence(2);
  ASSERT_TRUE(core.Store(request, &reply).ok());
  EXPECT_EQ(reply.number(), 10);
}

TEST_F(ControllerCoreTest, FinishReachesTheAgentAndIsConfirmed) {
  ControllerCore core(Options(1));
  control::AgentSyncRequest request;
  request.set_agent("a");
  request.set_stop_requested(true);
  request.set_sequence(1);
  Held<control::AgentSyncReply> first, second;
  core.AgentSync(request, &first.reply, first.done());
  EXPECT_TRUE(core.StopRequested());
  EXPECT_TRUE(core.AllExited({"actor", "trainer"})) << "nothing was started after the stop";
  core.FinishRun(5, "stopped");
  ASSERT_EQ(first.answers, 1);
  EXPECT_EQ(first.reply.finish().exit_code(), 5);
  EXPECT_FALSE(core.FinishDelivered());
  request.set_sequence(2);
  request.set_finish_seen(true);
  core.AgentSync(request, &second.reply, second.done());
  EXPECT_EQ(second.answers, 1);
  EXPECT_TRUE(core.FinishDelivered());
}

TEST_F(ControllerCoreTest, CloseAnswersEverybodyAndRefusesWhoComesLater) {
  ControllerCore core(Options(1));
  const uint64_t lease = Register(core, "actor");
  Held<control::SyncReply> held, late;
  core.Sync(SyncOf(lease), &held.reply, held.done());
  core.Close();
  EXPECT_EQ(held.answers, 1);
  core.Sync(SyncOf(lease), &late.reply, late.done());
  EXPECT_TRUE(absl::IsUnavailable(late.status));
}

}  // namespace
}  // namespace millrace
