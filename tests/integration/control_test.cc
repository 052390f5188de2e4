// The node agent, a controller process and worker processes on this host: kill each of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <thread>

#include "control/controller_file.h"
#include "control/rpc.h"
#include "control/run_commands.h"
#include "core/process_identity.h"
#include "core/run_paths.h"
#include "launcher/node_agent.h"
#include "launcher/process.h"
#include "text.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

constexpr auto kPatience = std::chrono::seconds(20);

bool Eventually(const std::function<bool()>& condition) {
  const Deadline deadline = After(kPatience);
  while (!Expired(deadline)) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

class ControlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    run_ = root_ / "run";
    std::filesystem::create_directories(run_);
    std::filesystem::create_directories(root_ / "bin");
    std::filesystem::create_symlink(MILLRACE_TEST_CONTROLLER, root_ / "bin" / "controller");
    for (const char* name : {"millrace-actor", "millrace-torch"}) {
      std::filesystem::create_symlink(MILLRACE_TEST_WORKER, root_ / "bin" / name);
    }
  }
  void TearDown() override {
    agent_.reset();
    if (HasFailure()) std::cerr << AllLogs();
    std::filesystem::remove_all(root_);
  }

  void StartRun(const std::string& config = "plain") {
    NodeAgentOptions options;
    options.run_directory = run_;
    options.binaries = root_ / "bin";
    options.controller_arguments = {(root_ / "bin" / "controller").string(), run_.string(), config};
    auto agent = NodeAgent::Start(options);
    ASSERT_TRUE(agent.ok()) << agent.status();
    agent_ = *std::move(agent);
  }
  void StartReadyRun() {
    StartRun();
    ASSERT_TRUE(
        Eventually([&] { return NumReady() == 3 && std::ranges::count(Seen(), '\n') == 3; }));
  }

  std::vector<control::WorkerStatus> Workers() {
    const auto status = GetRunStatus(run_);
    if (!status.ok()) return {};
    return {status->workers().begin(), status->workers().end()};
  }
  control::WorkerStatus Worker(const std::string& role, uint32_t index) {
    for (const control::WorkerStatus& worker : Workers()) {
      if (worker.role() == role && worker.index() == index) return worker;
    }
    return {};
  }
  int NumReady() {
    return static_cast<int>(std::ranges::count_if(
        Workers(), [](const auto& worker) { return worker.state() == "ready"; }));
  }
  // What the policy worker's mirror holds.
  std::string Seen() { return ReadText(run_ / "seen-policy-0"); }
  std::string AllLogs() {
    std::string text;
    if (!std::filesystem::exists(run_ / "logs")) return text;
    for (const auto& entry : std::filesystem::directory_iterator(run_ / "logs")) {
      text += entry.path().filename().string() + ":\n" + ReadText(entry.path());
    }
    return text;
  }

  std::filesystem::path root_, run_;
  std::unique_ptr<NodeAgent> agent_;
};

TEST_F(ControlTest, NamesOfOneWorkerAreSeenByAnother) {
  StartReadyRun();
  EXPECT_TRUE(Eventually([&] {
    const std::string seen = Seen();
    return seen.find("test/actor/0 0:") != std::string::npos &&
           seen.find("test/actor/1 0:") != std::string::npos;
  }));
}

TEST_F(ControlTest, KilledWorkerIsRestartedAndItsNamesAreReplaced) {
  StartReadyRun();
  const int policy_pid = Worker("policy", 0).pid();
  ASSERT_EQ(::kill(Worker("actor", 1).pid(), SIGKILL), 0);
  ASSERT_TRUE(Eventually([&] {
    const auto actor = Worker("actor", 1);
    return actor.incarnation() == 1 && actor.state() == "ready";
  }));
  EXPECT_EQ(Worker("actor", 1).last_exit(), "killed by signal 9");
  EXPECT_EQ(Worker("actor", 1).restarts(), 1u);
  EXPECT_EQ(Worker("policy", 0).pid(), policy_pid);
  EXPECT_TRUE(Eventually([&] {
    const std::string seen = Seen();
    return seen.find("test/actor/1 1:") != std::string::npos &&
           seen.find("test/actor/1 0:") == std::string::npos &&
           seen.find(R"(closed/producer/1/0 {"lanes":[{"committed":3,)") != std::string::npos;
  })) << Seen();
  EXPECT_TRUE(Eventually([&] { return agent_->Usage().at("actor").restarts == 1; }));
}

TEST_F(ControlTest, WorkersOutliveTheControllerAndAreAdopted) {
  StartReadyRun();
  std::map<std::string, int> pids;
  for (const auto& worker : Workers()) {
    pids[worker.role() + std::to_string(worker.index())] = worker.pid();
  }
  const std::string seen_before = Seen();
  ASSERT_EQ(::kill(agent_->controller_pid(), SIGKILL), 0);
  ASSERT_TRUE(Eventually([&] {
    const auto status = GetRunStatus(run_);
    return status.ok() && status->controller_epoch() == 2 && NumReady() == 3;
  }));
  for (const auto& worker : Workers()) {
    EXPECT_EQ(pids[worker.role() + std::to_string(worker.index())], worker.pid());
    EXPECT_EQ(worker.incarnation(), 0u);
  }
  EXPECT_EQ(Seen(), seen_before);
  // The new controller goes on where the old one was: next incarnation, names, closed lanes.
  ASSERT_EQ(::kill(pids["actor0"], SIGKILL), 0);
  EXPECT_TRUE(Eventually([&] {
    const std::string seen = Seen();
    return seen.find("test/actor/0 1:") != std::string::npos &&
           seen.find("closed/producer/0/0") != std::string::npos &&
           seen.find(":start 4") != std::string::npos;  // the shared store goes on counting
  })) << Seen();
}

TEST_F(ControlTest, ClosedLanesSurviveTheController) {
  StartReadyRun();
  ASSERT_EQ(::kill(Worker("actor", 0).pid(), SIGKILL), 0);
  ASSERT_TRUE(Eventually([&] { return Worker("actor", 0).incarnation() == 1; }));
  ASSERT_EQ(::kill(agent_->controller_pid(), SIGKILL), 0);
  ASSERT_TRUE(Eventually([&] { return NumReady() == 3; }));
  ASSERT_EQ(::kill(Worker("policy", 0).pid(), SIGKILL), 0);
  ASSERT_TRUE(Eventually([&] { return Worker("policy", 0).incarnation() == 1; }));
  EXPECT_TRUE(Eventually([&] {
    return Seen().find(R"(closed/producer/0/0 {"lanes":[{"committed":3,)") != std::string::npos;
  })) << Seen();
}

TEST_F(ControlTest, StopDrainsActorsBeforePolicyWorkers) {
  StartReadyRun();
  ASSERT_TRUE(SendRunCommand(run_, control::CommandRequest::STOP).ok());
  ASSERT_TRUE(agent_->WaitForOutcome(After(kPatience)));
  EXPECT_EQ(agent_->Outcome()->exit_code, 5);
  EXPECT_EQ(ReadText(run_ / "exits"), "actor\nactor\npolicy\n");
}

TEST_F(ControlTest, StopOfTheLauncherReachesAControllerStartedLater) {
  StartReadyRun();
  ASSERT_EQ(::kill(agent_->controller_pid(), SIGKILL), 0);
  agent_->RequestStop();
  ASSERT_TRUE(agent_->WaitForOutcome(After(kPatience)));
  EXPECT_EQ(agent_->Outcome()->exit_code, 5);
  EXPECT_EQ(ReadText(run_ / "exits"), "actor\nactor\npolicy\n");
}

TEST_F(ControlTest, CrashLoopEndsTheRun) {
  StartRun("crash-actor");
  ASSERT_TRUE(agent_->WaitForOutcome(After(kPatience)));
  EXPECT_EQ(agent_->Outcome()->exit_code, 3);
  EXPECT_THAT(agent_->Outcome()->reason, HasSubstr("keeps crashing"));
}

TEST_F(ControlTest, MisconfiguredWorkerEndsTheRunWithItsReason) {
  StartRun("misconfigured-policy");
  ASSERT_TRUE(agent_->WaitForOutcome(After(kPatience)));
  EXPECT_EQ(agent_->Outcome()->exit_code, 2);
  EXPECT_EQ(agent_->Outcome()->reason, "policy-0: x.yaml:3: a bad value");
}

TEST_F(ControlTest, MissingBinaryEndsTheRun) {
  std::filesystem::remove(root_ / "bin" / "millrace-torch");
  StartRun();
  ASSERT_TRUE(agent_->WaitForOutcome(After(kPatience)));
  EXPECT_EQ(agent_->Outcome()->exit_code, 3);
  EXPECT_THAT(agent_->Outcome()->reason, HasSubstr("policy-0"));
}

TEST_F(ControlTest, CallsWithoutTheTokenAreRefused) {
  StartReadyRun();
  struct stat info {};
  ASSERT_EQ(::stat(RunPaths(run_).controller().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  auto address = ReadControllerFile(run_);
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_EQ(address->token.size(), 64u);
  for (const std::string& token : {std::string(64, '0'), std::string()}) {
    address->token = token;
    const ControllerConnection connection(*address);
    grpc::ClientContext context;
    connection.Prepare(context, kPatience);
    control::StatusReply reply;
    EXPECT_EQ(connection.stub().GetStatus(&context, {}, &reply).error_code(),
              grpc::StatusCode::UNAUTHENTICATED);
  }
}

TEST_F(ControlTest, WorkersExitWhenNoControllerComesBack) {
  StartReadyRun();
  std::vector<ProcessIdentity> workers;
  for (const auto& worker : Workers()) workers.push_back(IdentityOf(worker.pid()));
  std::filesystem::remove(root_ / "bin" / "controller");
  ASSERT_EQ(::kill(agent_->controller_pid(), SIGKILL), 0);
  EXPECT_TRUE(Eventually([&] { return std::ranges::none_of(workers, IsAlive); }));
  ASSERT_TRUE(agent_->Outcome().has_value());
  EXPECT_EQ(agent_->Outcome()->exit_code, 4);
}

TEST_F(ControlTest, StoppedWorkerIsKilledAndReplaced) {
  StartReadyRun();
  // A hung process: its lease (3 s) ends, then the grace time (2 s).
  ASSERT_EQ(::kill(Worker("actor", 0).pid(), SIGSTOP), 0);
  ASSERT_TRUE(Eventually([&] { return Seen().find("test/actor/0") == std::string::npos; }));
  EXPECT_TRUE(Eventually([&] { return Worker("actor", 0).incarnation() == 1; }));
}

TEST_F(ControlTest, ShutdownLeavesNoProcess) {
  StartReadyRun();
  std::vector<ProcessIdentity> processes = {IdentityOf(agent_->controller_pid())};
  for (const auto& worker : Workers()) {
    processes.push_back(IdentityOf(worker.pid()));
  }
  ::kill(processes[1].pid, SIGSTOP);  // one that does not listen to SIGTERM
  agent_->Shutdown(std::chrono::milliseconds(200));
  for (const ProcessIdentity& process : processes) EXPECT_FALSE(IsAlive(process));
  EXPECT_FALSE(std::filesystem::exists(RunPaths(run_).shm()));
  EXPECT_GT(agent_->Usage().at("actor").cpu_seconds, 0);
  EXPECT_GT(agent_->Usage().at("actor").peak_rss_bytes, 1u << 20);
}

}  // namespace
}  // namespace millrace
