// Which worker processes should exist, which do, and what to do about the difference.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "control/control_client.h"
#include "control/restart_policy.h"
#include "control/worker_id.h"
#include "core/deadline.h"

namespace millrace {

enum class WorkerState {
  kWaiting,   // no process; one is started when its time has come
  kStarting,  // ordered from the node agent, or known to live, but not registered
  kRunning,   // has a lease
  kLost,      // the process lives but its lease has expired
  kExited,    // no process, and none will be started
};
std::string_view Name(WorkerState state);

struct WorkerInstance {
  WorkerId id;
  uint32_t incarnation = 0;
  int32_t pid = 0;
  bool operator==(const WorkerInstance&) const = default;
};

struct WorkerExit {
  WorkerInstance instance;
  int exit_code = 0;
  int signal = 0;  // 0: it exited by itself
};

struct KillOrder {
  WorkerInstance instance;
  int signal = 0;
};

// For the main loop and `millrace status`.
struct WorkerSnapshot {
  WorkerId id;
  uint32_t incarnation = 0;
  int32_t pid = 0;
  WorkerState state = WorkerState::kWaiting;
  bool ready = false;  // set up and at work
  uint32_t restarts = 0;
  double uptime_seconds = 0;  // of the present process
  std::string last_exit;      // empty, or for example "killed by signal 9"
};

struct RunFailure {
  int exit_code = 0;  // of the run: 2, 3 or 4
  std::string reason;
};

struct SupervisorOptions {
  std::vector<WorkerId> plan;
  std::map<WorkerId, uint32_t> next_incarnations;  // missing: 0
  RestartOptions restart;
  Clock::duration lease = std::chrono::seconds(6);
  Clock::duration orphan_grace = std::chrono::seconds(15);
};

// Pure decisions: the caller brings events and the time, and carries out the orders.
// Thread-compatible.
class Supervisor {
 public:
  explicit Supervisor(const SupervisorOptions& options);

  // A worker registers. kFailedPrecondition: it must exit (unknown, superseded, reported dead).
  // Until the first TakeAgentReport() any newest incarnation is adopted: it may belong to an
  // earlier controller.
  absl::Status Admit(const WorkerInstance& instance, Clock::time_point now);
  // The worker was heard of. False if it holds no lease (any more).
  bool Renew(const WorkerInstance& instance, Clock::time_point now);
  void MarkReady(const WorkerId& id);
  // What a worker says before it exits by itself.
  void NoteFailure(const WorkerId& id, const std::string& reason);

  // A complete list of the processes that live, and exits (repetitions are harmless).
  void TakeAgentReport(const std::vector<WorkerInstance>& living,
                       const std::vector<WorkerExit>& exits, Clock::time_point now);
  // Processes to start now. Repeated until the agent reports them alive or exited.
  std::vector<WorkerInstance> Starts(Clock::time_point now);
  // Processes to signal now; repeated every second while they live.
  std::vector<KillOrder> Kills(Clock::time_point now);

  // Takes away leases not renewed in time; a worker without one for `orphan_grace` is killed.
  // Returns whose lease ended.
  std::vector<WorkerInstance> ExpireLeases(Clock::time_point now);

  void SetCommand(const std::string& role, WorkerCommand command) { commands_[role] = command; }
  WorkerCommand CommandFor(const std::string& role) const;
  // From now on nothing is started or restarted.
  void StopStarting();
  // Kills what is left of these roles.
  void Kill(const std::vector<std::string>& roles, int signal);

  bool AllExited(const std::vector<std::string>& roles) const;
  // A crash loop (3), or a worker that exited with 2 or 4; the first one.
  const std::optional<RunFailure>& failure() const { return failure_; }
  std::vector<WorkerSnapshot> Workers(Clock::time_point now) const;
  // True once the agent has reported and everything it reported alive has registered.
  bool KnowsAllLiving() const;
  bool agent_reported() const { return agent_reported_; }

 private:
  struct Worker {
    WorkerState state = WorkerState::kWaiting;
    uint32_t incarnation = 0;  // of the present or last process
    uint32_t next_incarnation = 0;
    int32_t pid = 0;
    bool ready = false;
    bool confirmed = false;     // the agent has reported this process alive
    Clock::time_point since{};  // start of the process; kWaiting: when to start
    Clock::time_point heard{};  // kRunning: last renewal; kLost: when the lease ended
    int kill_signal = 0;
    Clock::time_point killed{};
    uint32_t restarts = 0;
    std::string last_exit{}, failure{};
    RestartPolicy restart;
  };
  Worker* Find(const WorkerId& id);
  void Begin(Worker& worker, const WorkerInstance& instance, WorkerState state,
             Clock::time_point now);
  void TakeLiving(const WorkerInstance& instance, Clock::time_point now);
  void TakeExit(const WorkerExit& exit, Clock::time_point now);
  void DecideAfterExit(const WorkerId& id, Worker& worker, const WorkerExit& exit,
                       Clock::time_point now);
  void Fail(int exit_code, std::string reason);

  SupervisorOptions options_;
  std::map<WorkerId, Worker> workers_;
  std::map<std::string, WorkerCommand> commands_;
  std::vector<WorkerInstance> strangers_;  // alive, but not wanted: killed
  std::optional<RunFailure> failure_;
  bool agent_reported_ = false;
  bool no_more_starts_ = false;
};

}  // namespace millrace
