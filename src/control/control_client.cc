// ClientImpl --owns--> NameMirror (read by the worker), ControllerConnection (replaced when the
// controller is), and one thread that loops: Sync, or Register after the lease or the controller
// was lost. Register, Put and Delete are serialised by publish_mutex_, so that the key set a
// registration carries is never older than what the controller already has.
#include "control/control_client.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control/name_mirror.h"
#include "control/rpc.h"
#include "core/process_identity.h"
#include "core/thread_name.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr auto kCallTimeout = std::chrono::seconds(2);
constexpr auto kRetryDelay = std::chrono::milliseconds(100);

Clock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

std::string HostName() {
  char name[256] = {};
  ::gethostname(name, sizeof(name) - 1);
  return name;
}

NameUpdate FromProto(control::SyncReply& reply) {
  NameUpdate update{.revision = reply.revision(), .complete = {}, .changes = {}};
  for (std::string& prefix : *reply.mutable_complete()) {
    update.complete.push_back(std::move(prefix));
  }
  for (control::NameRecord& record : *reply.mutable_changes()) {
    update.changes.push_back({.key = std::move(*record.mutable_key()),
                              .value = std::move(*record.mutable_value()),
                              .deleted = record.deleted()});
  }
  return update;
}

class ClientImpl final : public ControlClient {
 public:
  explicit ClientImpl(const ControlClientOptions& options) : options_(options) {}
  ~ClientImpl() override {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      if (pending_ != nullptr) pending_->TryCancel();
      changed_.NotifyAll();
    }
    thread_ = {};  // joins
  }

  absl::Status Start();

  absl::Status Put(std::string_view key, std::string_view value) override;
  absl::Status Delete(std::string_view key) override;
  absl::Status Watch(std::string_view prefix, Doorbell* bell) override;
  std::vector<NameEntry> List(std::string_view prefix) const override {
    return mirror_.List(prefix);
  }
  uint64_t revision() const override { return mirror_.revision(); }

  const std::string& config_yaml() const override { return config_yaml_; }
  WorkerCommand command() const override { return command_.load(); }
  absl::Status ReportReady() override;
  absl::Status ReportFailure(const std::string& reason, int exit_code) override;

  absl::Status StoreSet(const std::string& key, const std::string& value) override;
  absl::StatusOr<std::string> StoreGet(const std::string& key) override;
  absl::StatusOr<int64_t> StoreAdd(const std::string& key, int64_t amount) override;
  absl::StatusOr<std::string> StoreCompareSet(const std::string& key, const std::string& expected,
                                              const std::string& desired) override;
  absl::Status StoreDelete(const std::string& key) override;

 private:
  struct Session {
    std::shared_ptr<const ControllerConnection> connection;
    uint64_t lease = 0;
  };

  void Loop();
  absl::Status Register();
  absl::Status SyncOnce();
  void LookForController();
  void SetCommand(WorkerCommand command);
  // Makes the loop register again (for its keys) or ask again (for a new prefix), at once.
  void Wake(bool register_again);
  bool Stopping();
  void Sleep(Clock::duration duration);
  Session session();
  bool MustRegister();
  // Calls `call(session)` until it succeeds, fails for good, or the deadline passes.
  template <typename Call>
  absl::Status Retry(Deadline deadline, Call call);
  absl::StatusOr<control::StoreReply> Store(control::StoreRequest request);

  const ControlClientOptions options_;
  NameMirror mirror_;
  std::atomic<WorkerCommand> command_{WorkerCommand::kRun};
  std::atomic<bool> ready_{false};

  // Constant after Start().
  std::string config_yaml_;
  Clock::duration heartbeat_{}, orphan_grace_{};

  Mutex publish_mutex_;
  std::map<std::string, std::string> own_keys_ ABSL_GUARDED_BY(publish_mutex_);

  Mutex store_mutex_;  // one operation at a time, so that sequence numbers arrive in order
  uint64_t store_sequence_ ABSL_GUARDED_BY(store_mutex_) = 0;

  Mutex mutex_;
  CondVar changed_;
  Session session_ ABSL_GUARDED_BY(mutex_);
  grpc::ClientContext* pending_ ABSL_GUARDED_BY(mutex_) = nullptr;  // the loop's Sync
  bool must_register_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::jthread thread_;
};

// ---- the loop ----

absl::Status ClientImpl::Start() {
  const Deadline deadline = After(options_.connect_deadline);
  absl::Status status;
  do {
    LookForController();
    status = Register();
    if (status.ok()) {
      thread_ = std::jthread([this] { Loop(); });
      return status;
    }
    if (absl::IsFailedPrecondition(status)) return status;
    Sleep(kRetryDelay);
  } while (!Expired(deadline));
  return absl::UnavailableError(absl::StrCat("no controller of ", options_.run_directory.string(),
                                             " answers: ", std::string(status.message())));
}

void ClientImpl::Loop() {
  SetThreadName("control");
  bool lost = false;
  Clock::time_point lost_since{};
  while (!Stopping()) {
    const absl::Status status = MustRegister() ? Register() : SyncOnce();
    if (status.ok() || absl::IsCancelled(status)) {
      if (lost) spdlog::info("the controller is back");
      lost = false;
      continue;
    }
    if (absl::IsFailedPrecondition(status)) {
      spdlog::warn("refused by the controller: {}", std::string(status.message()));
      SetCommand(WorkerCommand::kExit);
      return;
    }
    if (absl::IsNotFound(status)) {
      Wake(true);
      continue;
    }
    if (!lost) {
      lost = true;
      lost_since = Clock::now();
      spdlog::warn("the controller does not answer: {}", std::string(status.message()));
    }
    if (Clock::now() - lost_since >= orphan_grace_) {
      spdlog::error("no controller for {:.0f} s: exiting", SecondsSince(lost_since));
      SetCommand(WorkerCommand::kExit);
      return;
    }
    Sleep(kRetryDelay);
    LookForController();
  }
}

void ClientImpl::LookForController() {
  const absl::StatusOr<ControllerAddress> address = ReadControllerFile(options_.run_directory);
  if (!address.ok()) return;
  const Session current = session();
  if (current.connection != nullptr && current.connection->address() == *address) return;
  auto connection = std::make_shared<const ControllerConnection>(*address);
  {
    MutexLock lock(mutex_);
    session_ = {.connection = std::move(connection), .lease = 0};
    must_register_ = true;
  }
  mirror_.Restart();
}

absl::Status ClientImpl::Register() {
  MutexLock publishing(publish_mutex_);
  const Session current = session();
  if (current.connection == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("there is no controller.json in ", options_.run_directory.string()));
  }
  const ProcessIdentity self = ThisProcess();
  control::RegisterRequest request;
  request.set_role(options_.role);
  request.set_index(options_.index);
  request.set_incarnation(options_.incarnation);
  request.set_pid(self.pid);
  request.set_start_ticks(self.start_ticks);
  request.set_version(kControlVersion);
  request.set_host(HostName());
  request.set_ready(ready_.load());
  for (const auto& [key, value] : own_keys_) {
    control::NameRecord* record = request.add_keys();
    record->set_key(key);
    record->set_value(value);
  }
  {
    MutexLock lock(mutex_);
    must_register_ = false;
  }
  control::RegisterReply reply;
  grpc::ClientContext context;
  current.connection->Prepare(context, kCallTimeout);
  const absl::Status status =
      ToStatus(current.connection->stub().Register(&context, request, &reply));
  MutexLock lock(mutex_);
  if (!status.ok()) {
    must_register_ = true;
    return status;
  }
  session_.lease = reply.lease_id();
  changed_.NotifyAll();
  if (config_yaml_.empty()) {
    config_yaml_ = reply.config_yaml();
    heartbeat_ = Seconds(reply.heartbeat_seconds());
    orphan_grace_ = Seconds(reply.orphan_grace_seconds());
  }
  SetCommand(static_cast<WorkerCommand>(reply.command()));
  return absl::OkStatus();
}

absl::Status ClientImpl::SyncOnce() {
  grpc::ClientContext context;
  Session current;
  {
    // From here on Wake() cancels this call; what woke before is seen by NextQuery() below.
    MutexLock lock(mutex_);
    if (stopping_ || must_register_) return absl::CancelledError("woken");
    pending_ = &context;
    current = session_;
  }
  control::SyncRequest request;
  request.set_lease_id(current.lease);
  request.set_command(static_cast<uint32_t>(command_.load()));
  NameMirror::Query query = mirror_.NextQuery();
  request.set_revision(query.revision);
  for (std::string& prefix : query.watched) request.add_watched(std::move(prefix));
  for (std::string& prefix : query.added) request.add_added(std::move(prefix));
  current.connection->Prepare(context, heartbeat_ + kCallTimeout);
  control::SyncReply reply;
  const absl::Status status = ToStatus(current.connection->stub().Sync(&context, request, &reply));
  {
    MutexLock lock(mutex_);
    pending_ = nullptr;
  }
  MILLRACE_RETURN_IF_ERROR(status);
  if (!reply.names_held()) mirror_.Apply(FromProto(reply));
  SetCommand(static_cast<WorkerCommand>(reply.command()));
  return absl::OkStatus();
}

void ClientImpl::SetCommand(WorkerCommand command) {
  if (command_.exchange(command) != command && options_.bell != nullptr) options_.bell->Ring();
}

void ClientImpl::Wake(bool register_again) {
  MutexLock lock(mutex_);
  must_register_ = must_register_ || register_again;
  if (pending_ != nullptr) pending_->TryCancel();
  changed_.NotifyAll();
}

bool ClientImpl::Stopping() {
  MutexLock lock(mutex_);
  return stopping_;
}

bool ClientImpl::MustRegister() {
  MutexLock lock(mutex_);
  return must_register_;
}

ClientImpl::Session ClientImpl::session() {
  MutexLock lock(mutex_);
  return session_;
}

void ClientImpl::Sleep(Clock::duration duration) {
  const Deadline deadline = After(duration);
  MutexLock lock(mutex_);
  while (!stopping_ && changed_.WaitUntil(lock, deadline)) {
  }
}

template <typename Call>
absl::Status ClientImpl::Retry(Deadline deadline, Call call) {
  while (true) {
    const absl::Status status = call(session());
    const bool again = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
                       absl::IsNotFound(status) || absl::IsUnauthenticated(status);
    if (!again || Expired(deadline) || Stopping()) return status;
    if (absl::IsNotFound(status)) Wake(true);
    Sleep(kRetryDelay);
  }
}

// ---- names ----

// A key the controller could not be told is not lost: the next registration carries it.
absl::Status ClientImpl::Put(std::string_view key, std::string_view value) {
  MutexLock publishing(publish_mutex_);
  own_keys_[std::string(key)] = std::string(value);
  const Session current = session();
  control::PutRequest request;
  request.set_lease_id(current.lease);
  request.set_key(std::string(key));
  request.set_value(std::string(value));
  grpc::ClientContext context;
  current.connection->Prepare(context, kCallTimeout);
  control::Empty reply;
  const grpc::Status status = current.connection->stub().Put(&context, request, &reply);
  if (!status.ok()) Wake(true);
  return absl::OkStatus();
}

absl::Status ClientImpl::Delete(std::string_view key) {
  MutexLock publishing(publish_mutex_);
  own_keys_.erase(std::string(key));
  const Session current = session();
  control::DeleteRequest request;
  request.set_lease_id(current.lease);
  request.set_key(std::string(key));
  grpc::ClientContext context;
  current.connection->Prepare(context, kCallTimeout);
  control::Empty reply;
  const grpc::Status status = current.connection->stub().Delete(&context, request, &reply);
  if (!status.ok()) Wake(true);
  return absl::OkStatus();
}

absl::Status ClientImpl::Watch(std::string_view prefix, Doorbell* bell) {
  mirror_.Watch(prefix, bell);
  Wake(false);
  if (mirror_.WaitLoaded(prefix, After(options_.connect_deadline))) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat("the controller has not sent the names below ", std::string(prefix)));
}

// ---- reports ----

absl::Status ClientImpl::ReportReady() {
  ready_ = true;
  return Retry(After(options_.connect_deadline), [](const Session& current) {
    control::ReportRequest request;
    request.set_lease_id(current.lease);
    request.set_ready(true);
    grpc::ClientContext context;
    current.connection->Prepare(context, kCallTimeout);
    control::Empty reply;
    return ToStatus(current.connection->stub().Report(&context, request, &reply));
  });
}

absl::Status ClientImpl::ReportFailure(const std::string& reason, int exit_code) {
  return Retry(After(std::chrono::seconds(5)), [&](const Session& current) {
    control::ReportRequest request;
    request.set_lease_id(current.lease);
    request.set_failure(reason);
    request.set_exit_code(exit_code);
    grpc::ClientContext context;
    current.connection->Prepare(context, kCallTimeout);
    control::Empty reply;
    return ToStatus(current.connection->stub().Report(&context, request, &reply));
  });
}

// ---- store ----

absl::StatusOr<control::StoreReply> ClientImpl::Store(control::StoreRequest request) {
  MutexLock storing(store_mutex_);
  request.set_sequence(++store_sequence_);
  control::StoreReply reply;
  MILLRACE_RETURN_IF_ERROR(Retry(After(options_.connect_deadline), [&](const Session& current) {
    request.set_lease_id(current.lease);
    grpc::ClientContext context;
    current.connection->Prepare(context, kCallTimeout);
    reply.Clear();
    return ToStatus(current.connection->stub().Store(&context, request, &reply));
  }));
  if (!reply.error().empty()) return absl::InvalidArgumentError(reply.error());
  return reply;
}

absl::Status ClientImpl::StoreSet(const std::string& key, const std::string& value) {
  control::StoreRequest request;
  request.set_operation(control::StoreRequest::SET);
  request.set_key(key);
  request.set_value(value);
  return Store(std::move(request)).status();
}

absl::StatusOr<std::string> ClientImpl::StoreGet(const std::string& key) {
  control::StoreRequest request;
  request.set_operation(control::StoreRequest::GET);
  request.set_key(key);
  MILLRACE_ASSIGN_OR_RETURN(const control::StoreReply reply, Store(std::move(request)));
  if (!reply.found()) return absl::NotFoundError(absl::StrCat("no store key \"", key, "\""));
  return reply.value();
}

absl::StatusOr<int64_t> ClientImpl::StoreAdd(const std::string& key, int64_t amount) {
  control::StoreRequest request;
  request.set_operation(control::StoreRequest::ADD);
  request.set_key(key);
  request.set_amount(amount);
  MILLRACE_ASSIGN_OR_RETURN(const control::StoreReply reply, Store(std::move(request)));
  return reply.number();
}

absl::StatusOr<std::string> ClientImpl::StoreCompareSet(const std::string& key,
                                                        const std::string& expected,
                                                        const std::string& desired) {
  control::StoreRequest request;
  request.set_operation(control::StoreRequest::COMPARE_SET);
  request.set_key(key);
  request.set_expected(expected);
  request.set_value(desired);
  MILLRACE_ASSIGN_OR_RETURN(const control::StoreReply reply, Store(std::move(request)));
  return reply.value();
}

absl::Status ClientImpl::StoreDelete(const std::string& key) {
  control::StoreRequest request;
  request.set_operation(control::StoreRequest::DELETE);
  request.set_key(key);
  return Store(std::move(request)).status();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ControlClient>> ControlClient::Connect(
    const ControlClientOptions& options) {
  auto client = std::make_unique<ClientImpl>(options);
  MILLRACE_RETURN_IF_ERROR(client->Start());
  return client;
}

}  // namespace millrace
