#include "control/controller_core.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control/rpc.h"
#include "data/ledger.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

// How late a restart may be, and how close together the answers to expired calls.
constexpr auto kLongestTick = std::chrono::milliseconds(50);
constexpr auto kShortestTick = std::chrono::milliseconds(10);

std::string OwnerName(const WorkerInstance& worker) {
  return absl::StrCat(ToString(worker.id), ".", worker.incarnation);
}

WorkerInstance FromProto(const control::ProcessRecord& record) {
  return {.id = {.role = record.role(), .index = record.index()},
          .incarnation = record.incarnation(),
          .pid = record.pid()};
}

void ToProto(const WorkerInstance& instance, control::ProcessRecord* record) {
  record->set_role(instance.id.role);
  record->set_index(instance.id.index);
  record->set_incarnation(instance.incarnation);
  record->set_pid(instance.pid);
}

SupervisorOptions ContinueIncarnations(SupervisorOptions options,
                                       const std::filesystem::path& ledgers) {
  for (const auto& [name, path] : ListLedgers(ledgers)) {
    uint32_t& next = options.next_incarnations[{.role = name.role, .index = name.index}];
    next = std::max(next, name.incarnation + 1);
  }
  return options;
}

nlohmann::json LanesOf(const std::filesystem::path& ledger) {
  nlohmann::json lanes = nlohmann::json::array();
  const absl::StatusOr<LedgerSnapshot> snapshot = Ledger::Read(ledger);
  if (!snapshot.ok()) {
    // It died before it had a ledger: it has produced nothing.
    if (!absl::IsNotFound(snapshot.status())) {
      spdlog::error("{}", std::string(snapshot.status().message()));
    }
    return lanes;
  }
  for (const ProducerLane& lane : snapshot->lanes) {
    lanes.push_back({{"stream", lane.stream},
                     {"rank", lane.rank},
                     {"committed", lane.committed},
                     {"env_steps_each", lane.env_steps_each}});
  }
  return lanes;
}

bool StartsWithAny(const std::string& key,
                   const google::protobuf::RepeatedPtrField<std::string>& prefixes) {
  return std::ranges::any_of(prefixes, [&](const auto& prefix) { return key.starts_with(prefix); });
}

}  // namespace

ControllerCore::ControllerCore(ControllerCoreOptions options)
    : options_(std::move(options)),
      started_(options_.now()),
      supervisor_(ContinueIncarnations(options_.supervisor, options_.ledger_directory)) {
  MutexLock lock(mutex_);
  CloseDeadLedgers();
  OpenJournal();
  names_were_held_ = NamesHeld();
}

// Without a journal the store works, but does not survive the controller.
void ControllerCore::OpenJournal() {
  if (options_.store_journal.empty()) return;
  auto journal = StoreJournal::Open(options_.store_journal, store_);
  if (journal.ok()) {
    journal_ = *std::move(journal);
  } else {
    spdlog::warn("{}", std::string(journal.status().message()));
  }
}

void ControllerCore::Send(Answers answers) {
  for (Answer& answer : answers) answer.done(std::move(answer.status));
}

// ---- workers ----

absl::Status ControllerCore::Register(const control::RegisterRequest& request,
                                      control::RegisterReply* reply) {
  if (request.version() != kControlVersion) {
    return absl::FailedPreconditionError(absl::StrCat("the controller expects ", kControlVersion,
                                                      ", the worker speaks \"", request.version(),
                                                      "\": install one version everywhere"));
  }
  Answers answers;
  {
    MutexLock lock(mutex_);
    if (closed_) return absl::UnavailableError("the controller is closing");
    const WorkerInstance worker{.id = {.role = request.role(), .index = request.index()},
                                .incarnation = request.incarnation(),
                                .pid = request.pid()};
    MILLRACE_RETURN_IF_ERROR(supervisor_.Admit(worker, options_.now()));
    if (request.ready()) supervisor_.MarkReady(worker.id);
    AnswerSync(ToString(worker.id), answers);
    reply->set_lease_id(NewLease(worker).id);
    reply->set_command(static_cast<uint32_t>(CommandFor(worker.id.role)));
    std::vector<NameEntry> keys;
    for (const control::NameRecord& key : request.keys()) keys.push_back({key.key(), key.value()});
    NamesChanged(names_.ReplaceOwned(OwnerName(worker), keys), answers);
  }
  Send(std::move(answers));
  using Seconds = std::chrono::duration<double>;
  reply->set_config_yaml(options_.config_yaml);
  reply->set_lease_seconds(Seconds(options_.supervisor.lease).count());
  reply->set_heartbeat_seconds(Seconds(options_.heartbeat).count());
  reply->set_orphan_grace_seconds(Seconds(options_.supervisor.orphan_grace).count());
  reply->set_controller_epoch(options_.epoch);
  return absl::OkStatus();
}

ControllerCore::Lease& ControllerCore::NewLease(const WorkerInstance& worker) {
  Lease& lease = leases_[ToString(worker.id)];
  lease_owners_.erase(lease.id);
  lease.worker = worker;
  // Distinct between controllers: a lease of the last one must not be taken for one of this.
  lease.id = (options_.epoch << 32) + next_lease_++;
  lease_owners_[lease.id] = ToString(worker.id);
  return lease;
}

absl::StatusOr<ControllerCore::Lease*> ControllerCore::FindLease(uint64_t id) {
  if (closed_) return absl::UnavailableError("the controller is closing");
  const auto owner = lease_owners_.find(id);
  if (owner != lease_owners_.end()) {
    Lease& lease = leases_.at(owner->second);
    if (supervisor_.Renew(lease.worker, options_.now())) return &lease;
  }
  return absl::NotFoundError("the lease has expired: register again");
}

ControllerCore::Keys ControllerCore::EndLease(const WorkerInstance& worker) {
  const auto lease = leases_.find(ToString(worker.id));
  if (lease != leases_.end() && lease->second.worker.incarnation == worker.incarnation) {
    lease_owners_.erase(lease->second.id);
    leases_.erase(lease);
  }
  return names_.DeleteOwned(OwnerName(worker));
}

bool ControllerCore::NamesHeld() const {
  return options_.epoch > 1 && !supervisor_.KnowsAllLiving() &&
         options_.now() - started_ < options_.supervisor.lease;
}

WorkerCommand ControllerCore::CommandFor(const std::string& role) const {
  const WorkerCommand command = supervisor_.CommandFor(role);
  const bool pause = paused_ && ProducesSamples(role) && command == WorkerCommand::kRun;
  return pause ? WorkerCommand::kPause : command;
}

bool ControllerCore::FillSync(const control::SyncRequest& request, const std::string& role,
                              control::SyncReply* reply) {
  const auto command = static_cast<uint32_t>(CommandFor(role));
  reply->set_command(command);
  const bool new_command = command != request.command();
  if (NamesHeld()) {
    reply->set_names_held(true);
    return new_command;
  }
  const Keys watched(request.watched().begin(), request.watched().end());
  const Keys added(request.added().begin(), request.added().end());
  NameUpdate update = names_.Since(request.revision(), watched, added);
  const bool news = !update.empty();
  reply->set_revision(update.revision);
  for (std::string& prefix : update.complete) reply->add_complete(std::move(prefix));
  for (NameChange& change : update.changes) {
    control::NameRecord* record = reply->add_changes();
    record->set_key(std::move(change.key));
    record->set_value(std::move(change.value));
    record->set_deleted(change.deleted);
  }
  return new_command || news;
}

void ControllerCore::Sync(const control::SyncRequest& request, control::SyncReply* reply,
                          Done done) {
  Answers answers;
  {
    MutexLock lock(mutex_);
    const absl::StatusOr<Lease*> lease = FindLease(request.lease_id());
    if (!lease.ok()) {
      answers.push_back({std::move(done), lease.status()});
    } else {
      const WorkerId id = (*lease)->worker.id;
      AnswerSync(ToString(id), answers);
      if (FillSync(request, id.role, reply)) {
        answers.push_back({std::move(done), absl::OkStatus()});
      } else {
        held_[ToString(id)] = {.role = id.role,
                               .request = request,
                               .reply = reply,
                               .done = std::move(done),
                               .deadline = options_.now() + options_.heartbeat};
      }
    }
  }
  Send(std::move(answers));
}

absl::Status ControllerCore::Report(const control::ReportRequest& request) {
  MutexLock lock(mutex_);
  MILLRACE_ASSIGN_OR_RETURN(const Lease* lease, FindLease(request.lease_id()));
  if (request.ready()) supervisor_.MarkReady(lease->worker.id);
  if (!request.failure().empty()) {
    supervisor_.NoteFailure(lease->worker.id, request.failure());
    spdlog::error("{}: {}", ToString(lease->worker.id), request.failure());
  }
  return absl::OkStatus();
}

absl::Status ControllerCore::Put(const control::PutRequest& request) {
  Answers answers;
  {
    MutexLock lock(mutex_);
    MILLRACE_ASSIGN_OR_RETURN(const Lease* lease, FindLease(request.lease_id()));
    if (names_.Put(OwnerName(lease->worker), request.key(), request.value())) {
      NamesChanged({request.key()}, answers);
    }
  }
  Send(std::move(answers));
  return absl::OkStatus();
}

absl::Status ControllerCore::Delete(const control::DeleteRequest& request) {
  Answers answers;
  {
    MutexLock lock(mutex_);
    MILLRACE_ASSIGN_OR_RETURN(const Lease* lease, FindLease(request.lease_id()));
    if (names_.Delete(OwnerName(lease->worker), request.key())) {
      NamesChanged({request.key()}, answers);
    }
  }
  Send(std::move(answers));
  return absl::OkStatus();
}

absl::Status ControllerCore::Store(const control::StoreRequest& request,
                                   control::StoreReply* reply) {
  MutexLock lock(mutex_);
  MILLRACE_ASSIGN_OR_RETURN(const Lease* lease, FindLease(request.lease_id()));
  const std::string owner = OwnerName(lease->worker);
  // Written first: a controller that dies in between leaves a change that its caller repeats.
  const bool changes = request.operation() != control::StoreRequest::GET;
  if (journal_ != nullptr && changes && !store_.Repeats(owner, request)) {
    control::StoreJournalRecord record;
    record.set_owner(owner);
    *record.mutable_request() = request;
    MILLRACE_RETURN_IF_ERROR(journal_->Append(record));
  }
  store_.Apply(owner, request, reply);
  return absl::OkStatus();
}

// ---- the node agent ----

void ControllerCore::AgentSync(const control::AgentSyncRequest& request,
                               control::AgentSyncReply* reply, Done done) {
  Answers answers;
  {
    MutexLock lock(mutex_);
    if (closed_) {
      answers.push_back({std::move(done), absl::UnavailableError("the controller is closing")});
    } else if (request.agent() == agent_ && request.sequence() <= agent_sequence_) {
      answers.push_back({std::move(done), absl::AbortedError("a newer report is here already")});
    } else {
      AnswerAgent(answers);
      TakeAgentReport(request, answers);
      held_agent_ = {
          .reply = reply, .done = std::move(done), .deadline = options_.now() + options_.heartbeat};
      if (request.finish_seen()) AnswerAgent(answers);
      OrdersChanged(answers);
    }
  }
  Send(std::move(answers));
}

void ControllerCore::TakeAgentReport(const control::AgentSyncRequest& request, Answers& answers) {
  agent_ = request.agent();
  agent_sequence_ = request.sequence();
  agent_knows_stop_ = request.stop_requested();
  if (!supervisor_.agent_reported() && request.paused()) paused_ = true;
  if (request.stop_requested()) {
    stop_requested_ = true;
    supervisor_.StopStarting();
  }
  if (request.finish_seen()) finish_delivered_ = true;
  for (const control::RoleUsageRecord& usage : request.usage()) {
    usage_[usage.role()] = {.cpu_seconds = usage.cpu_seconds(),
                            .peak_rss_bytes = usage.peak_rss_bytes(),
                            .restarts = usage.restarts()};
  }
  Keys changed;
  const auto add = [&](Keys keys) { std::ranges::move(keys, std::back_inserter(changed)); };
  std::vector<WorkerInstance> living;
  std::vector<WorkerExit> exits;
  for (const control::ProcessRecord& record : request.living()) living.push_back(FromProto(record));
  for (const control::ExitRecord& record : request.exits()) {
    const WorkerExit& exit = exits.emplace_back(
        WorkerExit{FromProto(record.process()), record.exit_code(), record.signal()});
    add(PublishClosed(exit.instance.id, exit.instance.incarnation));
    add(EndLease(exit.instance));
    AnswerSync(ToString(exit.instance.id), answers);
  }
  supervisor_.TakeAgentReport(living, exits, options_.now());
  NamesChanged(changed, answers);
}

bool ControllerCore::FillAgentSync(control::AgentSyncReply* reply) {
  for (const WorkerInstance& start : supervisor_.Starts(options_.now())) {
    ToProto(start, reply->add_start());
  }
  for (const KillOrder& order : supervisor_.Kills(options_.now())) {
    control::KillRecord* kill = reply->add_kill();
    ToProto(order.instance, kill->mutable_process());
    kill->set_signal(order.signal);
  }
  if (finish_) {
    reply->mutable_finish()->set_exit_code(finish_->first);
    reply->mutable_finish()->set_reason(finish_->second);
  }
  reply->set_stop_requested(stop_requested_);
  reply->set_paused(paused_);
  return reply->start_size() > 0 || reply->kill_size() > 0 || (finish_ && !finish_delivered_) ||
         (stop_requested_ && !agent_knows_stop_);
}

ControllerCore::Keys ControllerCore::PublishClosed(const WorkerId& worker, uint32_t incarnation) {
  if (!ProducesSamples(worker.role)) return {};
  const std::string key = absl::StrCat("closed/producer/", worker.index, "/", incarnation);
  const std::filesystem::path ledger =
      options_.ledger_directory / LedgerFileName(worker.role, worker.index, incarnation);
  const nlohmann::json value = {{"lanes", LanesOf(ledger)}};
  return names_.Put("", key, value.dump()) ? Keys{key} : Keys{};
}

void ControllerCore::CloseDeadLedgers() {
  for (const auto& [name, path] : ListLedgers(options_.ledger_directory)) {
    if (!ProducesSamples(name.role)) continue;
    const absl::StatusOr<LedgerSnapshot> ledger = Ledger::Read(path);
    if (ledger.ok() && IsAlive(ledger->identity.process)) continue;
    PublishClosed({.role = name.role, .index = name.index}, name.incarnation);
  }
}

// ---- held calls ----

void ControllerCore::AnswerSync(const std::string& worker, Answers& answers) {
  const auto held = held_.find(worker);
  if (held == held_.end()) return;
  HeldSync& sync = held->second;
  sync.reply->Clear();
  FillSync(sync.request, sync.role, sync.reply);
  answers.push_back({std::move(sync.done), absl::OkStatus()});
  held_.erase(held);
}

void ControllerCore::AnswerAgent(Answers& answers) {
  if (!held_agent_) return;
  held_agent_->reply->Clear();
  FillAgentSync(held_agent_->reply);
  answers.push_back({std::move(held_agent_->done), absl::OkStatus()});
  held_agent_.reset();
}

void ControllerCore::NamesChanged(const Keys& keys, Answers& answers) {
  if (NamesHeld()) return;
  Keys concerned;
  for (const auto& [worker, sync] : held_) {
    const bool news = std::ranges::any_of(keys, [&request = sync.request](const std::string& key) {
      return StartsWithAny(key, request.watched()) || StartsWithAny(key, request.added());
    });
    if (news) concerned.push_back(worker);
  }
  for (const std::string& worker : concerned) AnswerSync(worker, answers);
}

void ControllerCore::CommandsChanged(Answers& answers) {
  Keys concerned;
  for (const auto& [worker, sync] : held_) {
    const auto command = static_cast<uint32_t>(CommandFor(sync.role));
    if (command != sync.request.command()) concerned.push_back(worker);
  }
  for (const std::string& worker : concerned) AnswerSync(worker, answers);
}

void ControllerCore::OrdersChanged(Answers& answers) {
  if (!held_agent_) return;
  held_agent_->reply->Clear();
  if (!FillAgentSync(held_agent_->reply)) return;
  answers.push_back({std::move(held_agent_->done), absl::OkStatus()});
  held_agent_.reset();
}

Clock::time_point ControllerCore::AnswerExpired(Answers& answers) {
  const Clock::time_point now = options_.now();
  Clock::time_point next = now + kLongestTick;
  Keys expired;
  for (const auto& [worker, sync] : held_) {
    if (sync.deadline <= now) {
      expired.push_back(worker);
    } else {
      next = std::min(next, sync.deadline);
    }
  }
  for (const std::string& worker : expired) AnswerSync(worker, answers);
  if (held_agent_ && held_agent_->deadline <= now) AnswerAgent(answers);
  return std::max(next, now + kShortestTick);
}

Clock::time_point ControllerCore::Tick() {
  Answers answers;
  Clock::time_point next;
  {
    MutexLock lock(mutex_);
    Keys changed;
    for (const WorkerInstance& worker : supervisor_.ExpireLeases(options_.now())) {
      spdlog::warn("{} has not been heard of for {:.1f} s: its names are withdrawn",
                   ToString(worker.id),
                   std::chrono::duration<double>(options_.supervisor.lease).count());
      AnswerSync(ToString(worker.id), answers);
      std::ranges::move(EndLease(worker), std::back_inserter(changed));
    }
    const bool released = names_were_held_ && !NamesHeld();
    names_were_held_ = NamesHeld();
    if (released) {
      while (!held_.empty()) AnswerSync(std::string(held_.begin()->first), answers);
    }
    NamesChanged(changed, answers);
    OrdersChanged(answers);
    next = AnswerExpired(answers);
  }
  Send(std::move(answers));
  return next;
}

void ControllerCore::Close() {
  Answers answers;
  {
    MutexLock lock(mutex_);
    closed_ = true;
    while (!held_.empty()) AnswerSync(std::string(held_.begin()->first), answers);
    AnswerAgent(answers);
  }
  Send(std::move(answers));
}

}  // namespace millrace
