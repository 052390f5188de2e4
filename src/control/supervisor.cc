// Transitions of a worker:
//   from      to        condition
//   kWaiting  kStarting ordered from the agent, or the agent reports an adopted process alive
//   kWaiting  kRunning  registers before the agent's first report (adopted)
//   kStarting kRunning  registers
//   kRunning  kLost     the lease expires
//   kLost     kRunning  registers again
//   any alive kWaiting  its exit is reported, a restart is due
//   any alive kExited   its exit is reported, no restart
//   kWaiting  kExited   nothing is started any more
#include "control/supervisor.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"

namespace millrace {
namespace {

constexpr auto kKillInterval = std::chrono::seconds(1);
// A process that has not registered by then hangs; loading LibTorch from a slow disk takes long.
constexpr auto kRegistrationGrace = std::chrono::seconds(120);
constexpr int kExitUserMustEdit = 2;
constexpr int kExitWorkerFailed = 3;
constexpr int kExitResourceMissing = 4;

bool IsAlive(WorkerState state) {
  return state != WorkerState::kWaiting && state != WorkerState::kExited;
}

std::string Describe(const WorkerExit& exit) {
  if (exit.signal != 0) return absl::StrCat("killed by signal ", exit.signal);
  return absl::StrCat("exited with code ", exit.exit_code);
}

std::string Place(const WorkerId& id) { return absl::StrCat("logs/", ToString(id), ".log"); }

}  // namespace

std::string_view Name(WorkerState state) {
  switch (state) {
    case WorkerState::kWaiting:
      return "waiting";
    case WorkerState::kStarting:
      return "starting";
    case WorkerState::kRunning:
      return "running";
    case WorkerState::kLost:
      return "lost";
    case WorkerState::kExited:
      return "exited";
  }
  return "unknown";
}

Supervisor::Supervisor(const SupervisorOptions& options) : options_(options) {
  for (const WorkerId& id : options_.plan) {
    Worker worker{.restart = RestartPolicy(options_.restart)};
    if (const auto next = options_.next_incarnations.find(id);
        next != options_.next_incarnations.end()) {
      worker.next_incarnation = next->second;
    }
    workers_.emplace(id, std::move(worker));
  }
}

Supervisor::Worker* Supervisor::Find(const WorkerId& id) {
  const auto found = workers_.find(id);
  return found == workers_.end() ? nullptr : &found->second;
}

void Supervisor::Begin(Worker& worker, const WorkerInstance& instance, WorkerState state,
                       Clock::time_point now) {
  worker.state = state;
  worker.incarnation = instance.incarnation;
  worker.next_incarnation = std::max(worker.next_incarnation, instance.incarnation + 1);
  worker.pid = instance.pid;
  worker.ready = false;
  worker.confirmed = false;
  worker.since = worker.heard = now;
  worker.kill_signal = 0;
  worker.failure.clear();
}

absl::Status Supervisor::Admit(const WorkerInstance& instance, Clock::time_point now) {
  Worker* worker = Find(instance.id);
  if (worker == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("this run has no worker ", ToString(instance.id)));
  }
  if (worker->state == WorkerState::kWaiting && !agent_reported_) {
    Begin(*worker, instance, WorkerState::kRunning, now);
  } else if (!IsAlive(worker->state) || worker->incarnation != instance.incarnation) {
    return absl::FailedPreconditionError(
        absl::StrCat("incarnation ", instance.incarnation, " of ", ToString(instance.id),
                     " was not expected: the controller knows incarnation ", worker->incarnation,
                     " (", std::string(Name(worker->state)), ")"));
  }
  if (worker->state == WorkerState::kLost) worker->kill_signal = 0;
  worker->state = WorkerState::kRunning;
  worker->pid = instance.pid;
  worker->heard = now;
  return absl::OkStatus();
}

bool Supervisor::Renew(const WorkerInstance& instance, Clock::time_point now) {
  Worker* worker = Find(instance.id);
  if (worker == nullptr || worker->state != WorkerState::kRunning ||
      worker->incarnation != instance.incarnation) {
    return false;
  }
  worker->heard = now;
  return true;
}

void Supervisor::MarkReady(const WorkerId& id) {
  if (Worker* worker = Find(id)) worker->ready = true;
}

void Supervisor::NoteFailure(const WorkerId& id, const std::string& reason) {
  if (Worker* worker = Find(id)) worker->failure = reason;
}

void Supervisor::TakeLiving(const WorkerInstance& instance, Clock::time_point now) {
  Worker* worker = Find(instance.id);
  if (worker != nullptr && worker->state == WorkerState::kWaiting && !agent_reported_) {
    Begin(*worker, instance, WorkerState::kStarting, now);
  }
  if (worker == nullptr || !IsAlive(worker->state) || worker->incarnation != instance.incarnation) {
    strangers_.push_back(instance);
    return;
  }
  worker->pid = instance.pid;
  worker->confirmed = true;
}

void Supervisor::TakeExit(const WorkerExit& exit, Clock::time_point now) {
  Worker* worker = Find(exit.instance.id);
  if (worker == nullptr) return;
  if (worker->state == WorkerState::kWaiting && !agent_reported_) {
    Begin(*worker, exit.instance, WorkerState::kStarting, now);
  }
  if (!IsAlive(worker->state) || worker->incarnation != exit.instance.incarnation) return;
  worker->last_exit = Describe(exit);
  worker->pid = 0;
  worker->ready = false;
  worker->kill_signal = 0;
  DecideAfterExit(exit.instance.id, *worker, exit, now);
}

void Supervisor::DecideAfterExit(const WorkerId& id, Worker& worker, const WorkerExit& exit,
                                 Clock::time_point now) {
  worker.state = WorkerState::kExited;
  const bool by_itself = exit.signal == 0;
  if (no_more_starts_ || (by_itself && exit.exit_code == 0)) return;
  if (by_itself &&
      (exit.exit_code == kExitUserMustEdit || exit.exit_code == kExitResourceMissing)) {
    const std::string said = worker.failure.empty()
                                 ? absl::StrCat(worker.last_exit, "; see ", Place(id))
                                 : worker.failure;
    Fail(exit.exit_code, absl::StrCat(ToString(id), ": ", said));
    return;
  }
  const auto restart_at = worker.restart.OnExit(worker.since, now);
  if (!restart_at) {
    const std::string said = worker.failure.empty()
                                 ? worker.last_exit
                                 : absl::StrCat(worker.last_exit, ": ", worker.failure);
    Fail(kExitWorkerFailed,
         absl::StrCat(ToString(id), " keeps crashing: more than ",
                      options_.restart.max_restarts_per_minute,
                      " restarts within a minute; last: ", said, "; see ", Place(id)));
    return;
  }
  worker.state = WorkerState::kWaiting;
  worker.since = *restart_at;
  ++worker.restarts;
}

void Supervisor::Fail(int exit_code, std::string reason) {
  if (!failure_) failure_ = RunFailure{.exit_code = exit_code, .reason = std::move(reason)};
}

void Supervisor::TakeAgentReport(const std::vector<WorkerInstance>& living,
                                 const std::vector<WorkerExit>& exits, Clock::time_point now) {
  for (auto& [id, worker] : workers_) worker.confirmed = false;
  strangers_.clear();
  for (const WorkerExit& exit : exits) TakeExit(exit, now);
  for (const WorkerInstance& instance : living) TakeLiving(instance, now);
  agent_reported_ = true;
  if (no_more_starts_) StopStarting();
}

std::vector<WorkerInstance> Supervisor::Starts(Clock::time_point now) {
  std::vector<WorkerInstance> starts;
  if (!agent_reported_) return starts;
  for (auto& [id, worker] : workers_) {
    if (worker.state == WorkerState::kWaiting && !no_more_starts_ && worker.since <= now) {
      Begin(worker, {.id = id, .incarnation = worker.next_incarnation, .pid = 0},
            WorkerState::kStarting, now);
    }
    if (worker.state == WorkerState::kStarting && !worker.confirmed) {
      starts.push_back({.id = id, .incarnation = worker.incarnation, .pid = 0});
    }
  }
  return starts;
}

std::vector<KillOrder> Supervisor::Kills(Clock::time_point now) {
  std::vector<KillOrder> kills;
  for (auto& [id, worker] : workers_) {
    if (worker.kill_signal == 0 || !worker.confirmed || now - worker.killed < kKillInterval) {
      continue;
    }
    worker.killed = now;
    kills.push_back({.instance = {.id = id, .incarnation = worker.incarnation, .pid = worker.pid},
                     .signal = worker.kill_signal});
  }
  for (const WorkerInstance& stranger : strangers_) {
    kills.push_back({.instance = stranger, .signal = SIGKILL});
  }
  strangers_.clear();
  return kills;
}

std::vector<WorkerInstance> Supervisor::ExpireLeases(Clock::time_point now) {
  std::vector<WorkerInstance> expired;
  for (auto& [id, worker] : workers_) {
    if (worker.state == WorkerState::kRunning && now - worker.heard >= options_.lease) {
      worker.state = WorkerState::kLost;
      worker.heard = now;
      expired.push_back({.id = id, .incarnation = worker.incarnation, .pid = worker.pid});
    }
    const bool silent =
        worker.state == WorkerState::kLost && now - worker.heard >= options_.orphan_grace;
    const bool never_came = worker.state == WorkerState::kStarting && worker.confirmed &&
                            now - worker.since >= kRegistrationGrace;
    if (silent || never_came) worker.kill_signal = SIGKILL;
  }
  return expired;
}

WorkerCommand Supervisor::CommandFor(const std::string& role) const {
  const auto found = commands_.find(role);
  return found == commands_.end() ? WorkerCommand::kRun : found->second;
}

void Supervisor::StopStarting() {
  no_more_starts_ = true;
  for (auto& [id, worker] : workers_) {
    if (worker.state == WorkerState::kWaiting && agent_reported_) {
      worker.state = WorkerState::kExited;
    }
  }
}

void Supervisor::Kill(const std::vector<std::string>& roles, int signal) {
  for (auto& [id, worker] : workers_) {
    if (IsAlive(worker.state) && std::ranges::find(roles, id.role) != roles.end()) {
      worker.kill_signal = signal;
      worker.killed = {};
    }
  }
}

bool Supervisor::AllExited(const std::vector<std::string>& roles) const {
  return std::ranges::all_of(workers_, [&](const auto& entry) {
    const auto& [id, worker] = entry;
    return worker.state == WorkerState::kExited || std::ranges::find(roles, id.role) == roles.end();
  });
}

bool Supervisor::KnowsAllLiving() const {
  return agent_reported_ && std::ranges::none_of(workers_, [](const auto& entry) {
           return entry.second.state == WorkerState::kStarting && entry.second.confirmed;
         });
}

std::vector<WorkerSnapshot> Supervisor::Workers(Clock::time_point now) const {
  std::vector<WorkerSnapshot> snapshots;
  for (const auto& [id, worker] : workers_) {
    WorkerSnapshot& snapshot = snapshots.emplace_back();
    snapshot = {.id = id,
                .incarnation = worker.incarnation,
                .pid = worker.pid,
                .state = worker.state,
                .ready = worker.ready,
                .restarts = worker.restarts,
                .uptime_seconds = 0,
                .last_exit = worker.last_exit};
    if (IsAlive(worker.state)) {
      snapshot.uptime_seconds = std::chrono::duration<double>(now - worker.since).count();
    }
  }
  return snapshots;
}

}  // namespace millrace
