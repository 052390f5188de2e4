// ControllerCore as the command line and the controller's main loop use it.
#include <utility>

#include "control/controller_core.h"

namespace millrace {

// ---- the command line ----

absl::Status ControllerCore::GetStatus(control::StatusReply* reply) {
  MutexLock lock(mutex_);
  const Clock::time_point now = options_.now();
  reply->set_state(run_state_);
  reply->set_controller_epoch(options_.epoch);
  reply->set_uptime_seconds(std::chrono::duration<double>(now - started_).count());
  reply->set_paused(paused_);
  for (const WorkerSnapshot& worker : supervisor_.Workers(now)) {
    control::WorkerStatus* row = reply->add_workers();
    row->set_role(worker.id.role);
    row->set_index(worker.id.index);
    row->set_incarnation(worker.incarnation);
    row->set_pid(worker.pid);
    row->set_state(worker.ready ? "ready" : std::string(Name(worker.state)));
    row->set_restarts(worker.restarts);
    row->set_uptime_seconds(worker.uptime_seconds);
    row->set_last_exit(worker.last_exit);
  }
  return absl::OkStatus();
}

absl::Status ControllerCore::Command(const control::CommandRequest& request) {
  Answers answers;
  {
    MutexLock lock(mutex_);
    switch (request.kind()) {
      case control::CommandRequest::STOP:
        stop_requested_ = true;
        supervisor_.StopStarting();
        break;
      case control::CommandRequest::PAUSE:
        paused_ = true;
        break;
      case control::CommandRequest::RESUME:
        paused_ = false;
        break;
      default:
        return absl::InvalidArgumentError("expected stop, pause or resume");
    }
    CommandsChanged(answers);
    OrdersChanged(answers);
  }
  Send(std::move(answers));
  return absl::OkStatus();
}

// ---- the main loop ----

void ControllerCore::RequestDrain(const std::vector<std::string>& roles) {
  Answers answers;
  {
    MutexLock lock(mutex_);
    supervisor_.StopStarting();
    for (const std::string& role : roles) supervisor_.SetCommand(role, WorkerCommand::kDrain);
    CommandsChanged(answers);
  }
  Send(std::move(answers));
}

void ControllerCore::SetCommand(const std::string& role, WorkerCommand command) {
  Answers answers;
  {
    MutexLock lock(mutex_);
    supervisor_.SetCommand(role, command);
    CommandsChanged(answers);
  }
  Send(std::move(answers));
}

void ControllerCore::Kill(const std::vector<std::string>& roles, int signal) {
  Answers answers;
  {
    MutexLock lock(mutex_);
    supervisor_.Kill(roles, signal);
    OrdersChanged(answers);
  }
  Send(std::move(answers));
}

void ControllerCore::FinishRun(int exit_code, const std::string& reason) {
  Answers answers;
  {
    MutexLock lock(mutex_);
    supervisor_.StopStarting();
    finish_ = {exit_code, reason};
    OrdersChanged(answers);
  }
  Send(std::move(answers));
}

bool ControllerCore::FinishDelivered() const {
  MutexLock lock(mutex_);
  return finish_delivered_;
}

std::vector<WorkerSnapshot> ControllerCore::Workers() const {
  MutexLock lock(mutex_);
  return supervisor_.Workers(options_.now());
}

bool ControllerCore::AllExited(const std::vector<std::string>& roles) const {
  MutexLock lock(mutex_);
  return supervisor_.AllExited(roles);
}

std::optional<RunFailure> ControllerCore::failure() const {
  MutexLock lock(mutex_);
  return supervisor_.failure();
}

bool ControllerCore::StopRequested() const {
  MutexLock lock(mutex_);
  return stop_requested_;
}

bool ControllerCore::paused() const {
  MutexLock lock(mutex_);
  return paused_;
}

void ControllerCore::SetRunState(const std::string& state) {
  MutexLock lock(mutex_);
  run_state_ = state;
}

std::vector<NameEntry> ControllerCore::ListNames(const std::string& prefix) const {
  MutexLock lock(mutex_);
  return names_.List(prefix);
}

uint64_t ControllerCore::name_revision() const {
  MutexLock lock(mutex_);
  return names_.revision();
}

std::map<std::string, RoleUsage> ControllerCore::Usage() const {
  MutexLock lock(mutex_);
  return usage_;
}

}  // namespace millrace
