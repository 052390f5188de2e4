// AgentImpl --owns--> Child records (controller and workers), UsageMeter, the connection to the
// controller, and the agent thread, which does everything: reap, sample, restart the controller,
// and keep one AgentSync under way. The completion thread only rings the wake event; the agent
// thread sleeps in poll() on that event and on one pidfd per child.
#include "launcher/node_agent.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control/restart_policy.h"
#include "control/rpc.h"
#include "control/supervisor.h"
#include "core/mutex.h"
#include "core/process_identity.h"
#include "core/run_paths.h"
#include "core/thread_name.h"
#include "launcher/process.h"
#include "launcher/process_usage.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr auto kSampleInterval = std::chrono::milliseconds(500);
constexpr auto kRetryDelay = std::chrono::milliseconds(100);
constexpr auto kSyncTimeout = std::chrono::seconds(5);
constexpr int kPollMillis = 100;
constexpr int kCannotStart = 127;  // as a shell says it
constexpr char kControllerRole[] = "controller";

class Descriptor {
 public:
  explicit Descriptor(int descriptor = -1) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

class WakeEvent {
 public:
  WakeEvent() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  void Ring() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof(one));
  }
  void Clear() {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(event_.get(), &count, sizeof(count));
  }
  int get() const { return event_.get(); }

 private:
  Descriptor event_;
};

struct Child {
  WorkerInstance instance;  // role "controller" for the controller
  ProcessIdentity process;
  Descriptor pidfd;  // readable once the process is dead; -1 on old kernels
};

// One AgentSync under way. Its address is the completion queue's tag.
struct Call {
  std::shared_ptr<const ControllerConnection> connection;
  grpc::ClientContext context;
  control::AgentSyncRequest request;
  control::AgentSyncReply reply;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<control::AgentSyncReply>> reader;
  std::atomic<bool> done{false};
};

void ToProto(const Child& child, control::ProcessRecord* record) {
  record->set_role(child.instance.id.role);
  record->set_index(child.instance.id.index);
  record->set_incarnation(child.instance.incarnation);
  record->set_pid(child.process.pid);
  record->set_start_ticks(child.process.start_ticks);
}

class AgentImpl final : public NodeAgent {
 public:
  explicit AgentImpl(const NodeAgentOptions& options)
      : options_(options),
        paths_(options.run_directory),
        name_(absl::StrCat("agent:", static_cast<int>(::getpid()))) {}
  ~AgentImpl() override { Shutdown({}); }

  absl::Status Prepare();
  void StartThread() {
    completion_thread_ = std::jthread([this] { AwaitCompletions(); });
    thread_ = std::jthread([this](const std::stop_token& stop) { Loop(stop); });
  }

  void RequestStop() override;
  std::optional<RunOutcome> Outcome() const override;
  bool WaitForOutcome(Deadline deadline) override;
  void Shutdown(Clock::duration grace) override;
  std::map<std::string, RoleUsage> Usage() const override;
  int controller_pid() const override { return controller_pid_.load(); }

 private:
  void Loop(const std::stop_token& stop);
  void Sleep(int millis);
  // Processes.
  void StartController();
  void StartWorker(const control::ProcessRecord& order);
  bool StartChild(const WorkerInstance& instance, ProcessOptions process);
  void Signal(const control::KillRecord& order);
  void ReapAll();
  void ReapGroup(pid_t group, const std::string& role);
  void TakeExit(Child child, const ProcessExit& exit);
  void TakeControllerExit(const ProcessExit& exit);
  void SampleAll();
  bool EverythingGone();
  // The controller's orders.
  void AwaitCompletions();
  void BeginSync();
  void FinishSync();
  void CancelSync();
  void Obey(const control::AgentSyncReply& reply);
  bool FindController();
  void SetOutcome(RunOutcome outcome);

  const NodeAgentOptions options_;
  const RunPaths paths_;
  const std::string name_;
  std::shared_ptr<WakeEvent> wake_ = std::make_shared<WakeEvent>();
  std::atomic<int> controller_pid_{0};
  std::atomic<bool> stop_requested_{false};

  // Bound to the agent thread; to Shutdown() after that has ended.
  std::vector<Child> children_;
  std::map<pid_t, std::string> groups_;     // groups that may have members, to their role
  std::vector<control::ExitRecord> exits_;  // not yet reported
  std::map<WorkerId, int> starts_;
  std::optional<RunOutcome> finish_;  // the controller's word; the outcome once it knows we heard
  RestartPolicy controller_restart_{RestartOptions{}};
  Clock::time_point controller_started_{};
  std::optional<Clock::time_point> start_controller_at_;
  std::shared_ptr<const ControllerConnection> connection_;
  std::unique_ptr<Call> call_;
  uint64_t sequence_ = 0;
  bool stop_sent_ = false;
  bool paused_ = false;
  Clock::time_point next_sync_{};
  Clock::time_point next_sample_{};

  mutable Mutex mutex_;
  CondVar ended_;
  mutable UsageMeter usage_ ABSL_GUARDED_BY(mutex_);
  std::optional<RunOutcome> outcome_ ABSL_GUARDED_BY(mutex_);
  Mutex shutdown_mutex_;
  bool shut_down_ ABSL_GUARDED_BY(shutdown_mutex_) = false;

  // A queue of its own, not gRPC's callback API: that one shares a queue between channels, whose
  // threads race with its end when the only channel is replaced (gRPC 1.51 aborts in
  // grpc_cq_internal_unref).
  grpc::CompletionQueue completions_;
  std::jthread completion_thread_;
  std::jthread thread_;
};

absl::Status AgentImpl::Prepare() {
  MILLRACE_RETURN_IF_ERROR(BecomeSubReaper());
  std::error_code error;
  // What a killed launcher has left behind.
  std::filesystem::remove_all(paths_.shm(), error);
  for (const auto& directory : {paths_.logs(), paths_.ledger(), paths_.shm()}) {
    std::filesystem::create_directories(directory, error);
    if (error) {
      return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot make ", directory.string()));
    }
  }
  std::filesystem::permissions(paths_.shm(), std::filesystem::perms::owner_all, error);
  start_controller_at_ = Clock::now();
  return absl::OkStatus();
}

void AgentImpl::Loop(const std::stop_token& stop) {
  SetThreadName("node-agent");
  const std::stop_callback wake(stop, [this] { wake_->Ring(); });
  while (!stop.stop_requested()) {
    ReapAll();
    if (start_controller_at_ && *start_controller_at_ <= Clock::now()) StartController();
    if (next_sample_ <= Clock::now()) SampleAll();
    if (call_ != nullptr && call_->done.load()) FinishSync();
    if (stop_requested_ && !stop_sent_) CancelSync();
    if (call_ == nullptr && next_sync_ <= Clock::now()) BeginSync();
    Sleep(kPollMillis);
  }
  CancelSync();
  // A cancelled call completes at once; until then its memory is gRPC's.
  while (call_ != nullptr && !call_->done.load()) Sleep(kPollMillis);
  call_.reset();
  completions_.Shutdown();
}

void AgentImpl::Sleep(int millis) {
  std::vector<pollfd> descriptors = {{.fd = wake_->get(), .events = POLLIN, .revents = 0}};
  for (const Child& child : children_) {
    descriptors.push_back({.fd = child.pidfd.get(), .events = POLLIN, .revents = 0});
  }
  ::poll(descriptors.data(), descriptors.size(), millis);
  wake_->Clear();
}

// ---- processes ----

bool AgentImpl::StartChild(const WorkerInstance& instance, ProcessOptions process) {
  process.environment = options_.environment;
  process.log_file = paths_.logs() / absl::StrCat(ToString(instance.id), ".log");
  const absl::StatusOr<pid_t> pid = Spawn(process);
  if (!pid.ok()) {
    spdlog::error("{}", std::string(pid.status().message()));
    return false;
  }
  Child child{.instance = instance, .process = IdentityOf(*pid), .pidfd = Descriptor()};
  child.instance.pid = *pid;
  child.pidfd = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));
  groups_[*pid] = instance.id.role;
  children_.push_back(std::move(child));
  MutexLock lock(mutex_);
  usage_.Started(instance.id.role, *pid, starts_[instance.id]++ > 0);
  return true;
}

void AgentImpl::StartController() {
  start_controller_at_.reset();
  connection_.reset();
  controller_started_ = Clock::now();
  const WorkerInstance instance{.id = {.role = kControllerRole, .index = 0}, .incarnation = 0};
  if (StartChild(instance,
                 {.arguments = options_.controller_arguments, .environment = {}, .log_file = {}})) {
    controller_pid_ = children_.back().process.pid;
  } else {
    SetOutcome({.exit_code = 4,
                .reason = absl::StrCat("cannot start ", options_.controller_arguments.at(0))});
  }
}

void AgentImpl::StartWorker(const control::ProcessRecord& order) {
  const WorkerInstance instance{.id = {.role = order.role(), .index = order.index()},
                                .incarnation = order.incarnation()};
  const auto same = [&](const Child& child) { return child.instance.id == instance.id; };
  if (std::ranges::any_of(children_, same)) return;
  const auto binary = options_.binary_of_role.find(instance.id.role);
  ProcessOptions process;
  process.arguments = {
      (options_.binaries / (binary == options_.binary_of_role.end() ? "" : binary->second))
          .string(),
      instance.id.role,
      absl::StrCat(instance.id.index),
      "--run-dir",
      paths_.root().string(),
      "--incarnation",
      absl::StrCat(instance.incarnation)};
  if (const auto extra = options_.extra_arguments.find(instance.id.role);
      extra != options_.extra_arguments.end()) {
    std::ranges::copy(extra->second, std::back_inserter(process.arguments));
  }
  if (StartChild(instance, std::move(process))) return;
  control::ExitRecord& exit = exits_.emplace_back();
  *exit.mutable_process() = order;
  exit.set_exit_code(kCannotStart);
}

void AgentImpl::Signal(const control::KillRecord& order) {
  for (const Child& child : children_) {
    if (child.instance.id.role != order.process().role() ||
        child.instance.id.index != order.process().index() ||
        child.instance.incarnation != order.process().incarnation()) {
      continue;
    }
    spdlog::warn("sending signal {} to {}", order.signal(), ToString(child.instance.id));
    if (order.signal() == SIGKILL) {
      SignalGroup(child.process.pid, SIGKILL);
    } else {
      ::kill(child.process.pid, order.signal());
    }
  }
}

void AgentImpl::ReapAll() {
  const std::map<pid_t, std::string> groups = groups_;
  for (const auto& [group, role] : groups) ReapGroup(group, role);
}

void AgentImpl::ReapGroup(pid_t group, const std::string& role) {
  while (const std::optional<ProcessExit> exit = ReapFromGroup(group)) {
    {
      MutexLock lock(mutex_);
      usage_.Reaped(role, exit->pid, exit->cpu_seconds);
    }
    const auto child =
        std::ranges::find_if(children_, [&](const Child& c) { return c.process.pid == exit->pid; });
    if (child == children_.end()) continue;
    Child dead = std::move(*child);
    children_.erase(child);
    // What the process has started itself must not go on without it.
    SignalGroup(group, SIGKILL);
    TakeExit(std::move(dead), *exit);
  }
  const bool leader_lives = std::ranges::any_of(
      children_, [&](const Child& child) { return child.process.pid == group; });
  if (!leader_lives && !SignalGroup(group, 0)) groups_.erase(group);
}

void AgentImpl::TakeExit(Child child, const ProcessExit& exit) {
  if (child.instance.id.role == kControllerRole) return TakeControllerExit(exit);
  control::ExitRecord& record = exits_.emplace_back();
  ToProto(child, record.mutable_process());
  record.set_exit_code(exit.exit_code);
  record.set_signal(exit.signal);
  CancelSync();
}

void AgentImpl::TakeControllerExit(const ProcessExit& exit) {
  controller_pid_ = 0;
  connection_.reset();
  CancelSync();
  if (finish_) SetOutcome(*finish_);
  if (Outcome().has_value()) return;
  if (exit.signal == 0 && (exit.exit_code == 2 || exit.exit_code == 4)) {
    SetOutcome({.exit_code = exit.exit_code,
                .reason = "the controller cannot work; see logs/controller-0.log"});
    return;
  }
  spdlog::warn("the controller died (exit code {}, signal {})", exit.exit_code, exit.signal);
  start_controller_at_ = controller_restart_.OnExit(controller_started_, Clock::now());
  if (!start_controller_at_) {
    SetOutcome(
        {.exit_code = 3, .reason = "the controller keeps crashing; see logs/controller-0.log"});
  }
}

void AgentImpl::SampleAll() {
  next_sample_ = Clock::now() + kSampleInterval;
  MutexLock lock(mutex_);
  for (const Child& child : children_) usage_.Sample(child.instance.id.role, child.process.pid);
  usage_.Sample("launcher", ::getpid());
}

// ---- the controller's orders ----

// Not just any controller.json: the one of the controller that runs now.
bool AgentImpl::FindController() {
  if (connection_ != nullptr) return true;
  absl::StatusOr<ControllerAddress> address = ReadControllerFile(paths_.root());
  if (!address.ok() || address->pid != controller_pid_) return false;
  connection_ = std::make_shared<const ControllerConnection>(*std::move(address));
  return true;
}

void AgentImpl::BeginSync() {
  if (controller_pid_ == 0 || !FindController()) return;
  call_ = std::make_unique<Call>();
  call_->connection = connection_;
  control::AgentSyncRequest& request = call_->request;
  request.set_agent(name_);
  request.set_sequence(++sequence_);
  for (const Child& child : children_) {
    if (child.instance.id.role != kControllerRole) ToProto(child, request.add_living());
  }
  for (const control::ExitRecord& exit : exits_) *request.add_exits() = exit;
  for (const auto& [role, usage] : Usage()) {
    control::RoleUsageRecord* record = request.add_usage();
    record->set_role(role);
    record->set_cpu_seconds(usage.cpu_seconds);
    record->set_peak_rss_bytes(usage.peak_rss_bytes);
    record->set_restarts(usage.restarts);
  }
  stop_sent_ = stop_requested_;
  request.set_stop_requested(stop_sent_);
  request.set_paused(paused_);
  request.set_finish_seen(finish_.has_value());
  connection_->Prepare(call_->context, kSyncTimeout);
  call_->reader = connection_->stub().AsyncAgentSync(&call_->context, request, &completions_);
  call_->reader->Finish(&call_->reply, &call_->status, call_.get());
}

// The completion thread: only says that a call is done; the agent thread takes it from there.
void AgentImpl::AwaitCompletions() {
  SetThreadName("agent-rpc");
  void* tag = nullptr;
  bool ok = false;
  while (completions_.Next(&tag, &ok)) {
    static_cast<Call*>(tag)->done = true;
    wake_->Ring();
  }
}

void AgentImpl::CancelSync() {
  if (call_ != nullptr) call_->context.TryCancel();
}

void AgentImpl::FinishSync() {
  const std::unique_ptr<Call> call = std::move(call_);
  if (call->request.finish_seen()) SetOutcome(*finish_);
  if (!call->status.ok()) {
    if (call->status.error_code() == grpc::StatusCode::CANCELLED) return;
    next_sync_ = Clock::now() + kRetryDelay;
    connection_.reset();
    return;
  }
  exits_.erase(exits_.begin(), exits_.begin() + call->request.exits_size());
  if (call->connection == connection_) Obey(call->reply);
}

void AgentImpl::Obey(const control::AgentSyncReply& reply) {
  if (reply.stop_requested()) stop_requested_ = true;
  paused_ = reply.paused();
  for (const control::ProcessRecord& order : reply.start()) StartWorker(order);
  for (const control::KillRecord& order : reply.kill()) Signal(order);
  if (reply.has_finish()) {
    finish_ = {.exit_code = reply.finish().exit_code(), .reason = reply.finish().reason()};
  }
}

void AgentImpl::SetOutcome(RunOutcome outcome) {
  MutexLock lock(mutex_);
  if (outcome_) return;
  outcome_ = std::move(outcome);
  ended_.NotifyAll();
}

// ---- called by others ----

void AgentImpl::RequestStop() {
  stop_requested_ = true;
  wake_->Ring();
}

std::optional<RunOutcome> AgentImpl::Outcome() const {
  MutexLock lock(mutex_);
  return outcome_;
}

bool AgentImpl::WaitForOutcome(Deadline deadline) {
  MutexLock lock(mutex_);
  while (!outcome_) {
    if (!ended_.WaitUntil(lock, deadline) && !outcome_) return false;
  }
  return true;
}

std::map<std::string, RoleUsage> AgentImpl::Usage() const {
  MutexLock lock(mutex_);
  return usage_.Usage();
}

bool AgentImpl::EverythingGone() {
  ReapAll();
  return groups_.empty();
}

void AgentImpl::Shutdown(Clock::duration grace) {
  MutexLock lock(shutdown_mutex_);
  if (shut_down_) return;
  shut_down_ = true;
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  SetOutcome({.exit_code = 1, .reason = "the launcher was shut down"});
  SampleAll();
  for (const Child& child : children_) ::kill(child.process.pid, SIGTERM);
  const Deadline deadline = After(grace);
  while (!EverythingGone() && !Expired(deadline)) Sleep(20);
  while (!EverythingGone()) {
    for (const auto& [group, role] : groups_) SignalGroup(group, SIGKILL);
    Sleep(20);
  }
  std::error_code error;
  std::filesystem::remove_all(paths_.shm(), error);
}

}  // namespace

absl::StatusOr<std::unique_ptr<NodeAgent>> NodeAgent::Start(const NodeAgentOptions& options) {
  auto agent = std::make_unique<AgentImpl>(options);
  MILLRACE_RETURN_IF_ERROR(agent->Prepare());
  agent->StartThread();
  return agent;
}

}  // namespace millrace
