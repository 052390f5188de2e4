// The controller's state behind one lock: what each call does to it, and who is answered when.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control.pb.h"
#include "control/name_table.h"
#include "control/shared_store.h"
#include "control/store_journal.h"
#include "control/supervisor.h"
#include "core/mutex.h"

namespace millrace {

struct RoleUsage {
  double cpu_seconds = 0;       // user + system of all its processes, dead ones included
  uint64_t peak_rss_bytes = 0;  // sampled maximum of RssAnon + RssFile, largest process
  uint32_t restarts = 0;
  // Known to the node agent alone:
  double lifetime_seconds = 0;  // of all its processes
  double cpu_wait_seconds = 0;  // of its processes' threads: ready to run, but no core was free
};

struct ControllerCoreOptions {
  std::filesystem::path ledger_directory;
  std::filesystem::path store_journal;  // empty: none
  std::string config_yaml;
  uint64_t epoch = 1;
  Clock::duration heartbeat = std::chrono::milliseconds(500);
  SupervisorOptions supervisor;
  std::function<Clock::time_point()> now = [] { return Clock::now(); };
};

// Knows nothing of gRPC: a held call is a `done` function, called exactly once and never with the
// lock held. Thread-safe.
class ControllerCore {
 public:
  using Done = std::function<void(absl::Status)>;

  explicit ControllerCore(ControllerCoreOptions options);

  // Calls of the protocol (proto/control.proto). `reply` stays valid until `done` is called.
  absl::Status Register(const control::RegisterRequest& request, control::RegisterReply* reply);
  void Sync(const control::SyncRequest& request, control::SyncReply* reply, Done done);
  absl::Status Report(const control::ReportRequest& request);
  absl::Status Put(const control::PutRequest& request);
  absl::Status Delete(const control::DeleteRequest& request);
  absl::Status Store(const control::StoreRequest& request, control::StoreReply* reply);
  void AgentSync(const control::AgentSyncRequest& request, control::AgentSyncReply* reply,
                 Done done);
  absl::Status GetStatus(control::StatusReply* reply);
  absl::Status Command(const control::CommandRequest& request);

  // Does what is due: expires leases, answers held calls. Returns when it wants to be called again.
  Clock::time_point Tick();
  // Answers every held call and refuses new ones (kUnavailable).
  void Close();

  // The main loop's side; see controller.h.
  void RequestDrain(const std::vector<std::string>& roles);
  void SetCommand(const std::string& role, WorkerCommand command);
  void Kill(const std::vector<std::string>& roles, int signal);
  std::vector<WorkerSnapshot> Workers() const;
  bool AllExited(const std::vector<std::string>& roles) const;
  std::optional<RunFailure> failure() const;
  void FinishRun(int exit_code, const std::string& reason);
  bool FinishDelivered() const;
  bool StopRequested() const;
  bool paused() const;
  void SetRunState(const std::string& state);
  std::vector<NameEntry> ListNames(const std::string& prefix) const;
  uint64_t name_revision() const;
  std::map<std::string, RoleUsage> Usage() const;

 private:
  struct Lease {
    WorkerInstance worker;
    uint64_t id = 0;
  };
  struct HeldSync {
    std::string role;
    control::SyncRequest request;
    control::SyncReply* reply;
    Done done;
    Clock::time_point deadline;
  };
  struct HeldAgentSync {
    control::AgentSyncReply* reply;
    Done done;
    Clock::time_point deadline;
  };
  struct Answer {
    Done done;
    absl::Status status;
  };
  using Answers = std::vector<Answer>;
  using Keys = std::vector<std::string>;
  static void Send(Answers answers);

  // The lease, renewed. kNotFound if it is unknown or has expired.
  absl::StatusOr<Lease*> FindLease(uint64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Lease& NewLease(const WorkerInstance& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Forgets the lease and its keys; the keys.
  Keys EndLease(const WorkerInstance& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool NamesHeld() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  WorkerCommand CommandFor(const std::string& role) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // True if there is something to say.
  bool FillSync(const control::SyncRequest& request, const std::string& role,
                control::SyncReply* reply) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool FillAgentSync(control::AgentSyncReply* reply) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeAgentReport(const control::AgentSyncRequest& request, Answers& answers)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Publishes what a dead actor has committed; the key, if it is new.
  Keys PublishClosed(const WorkerId& worker, uint32_t incarnation)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OpenJournal() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseDeadLedgers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Each answers the held calls for which the change is news.
  void NamesChanged(const Keys& keys, Answers& answers) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CommandsChanged(Answers& answers) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OrdersChanged(Answers& answers) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AnswerSync(const std::string& worker, Answers& answers)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AnswerAgent(Answers& answers) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Clock::time_point AnswerExpired(Answers& answers) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ControllerCoreOptions options_;
  const Clock::time_point started_;
  mutable Mutex mutex_;
  Supervisor supervisor_ ABSL_GUARDED_BY(mutex_);
  NameTable names_ ABSL_GUARDED_BY(mutex_);
  SharedStore store_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<StoreJournal> journal_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, std::string> lease_owners_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Lease> leases_ ABSL_GUARDED_BY(mutex_);  // by worker, "actor-1"
  std::map<std::string, HeldSync> held_ ABSL_GUARDED_BY(mutex_);
  std::optional<HeldAgentSync> held_agent_ ABSL_GUARDED_BY(mutex_);
  std::string agent_ ABSL_GUARDED_BY(mutex_);
  uint64_t agent_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_lease_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<std::string, RoleUsage> usage_ ABSL_GUARDED_BY(mutex_);
  std::optional<std::pair<int, std::string>> finish_ ABSL_GUARDED_BY(mutex_);
  bool finish_delivered_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_requested_ ABSL_GUARDED_BY(mutex_) = false;
  bool agent_knows_stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  bool names_were_held_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::string run_state_ ABSL_GUARDED_BY(mutex_) = "starting";
};

}  // namespace millrace
