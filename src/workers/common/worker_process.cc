#include "workers/common/worker_process.h"

#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <csignal>

#include "core/log.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

// A terminal's Ctrl-C reaches only the launcher's process group; SIGTERM to one worker is an
// orderly end too, but by the controller's command. Writing to a dead peer must be an error, not a
// signal.
void InstallSignals() { std::signal(SIGPIPE, SIG_IGN); }

}  // namespace

absl::StatusOr<WorkerArguments> ParseWorkerArguments(int argc, char** argv) {
  WorkerArguments arguments;
  CLI::App app("A worker process of a Millrace run; started by `millrace run`.");
  app.add_option("role", arguments.role, "actor, reader, policy, trainer or parameter_server")
      ->required();
  app.add_option("index", arguments.index, "number within the role")->required();
  app.add_option("--run-dir", arguments.run_directory, "the run's directory")->required();
  app.add_option("--incarnation", arguments.incarnation, "counts the starts of this worker");
  app.add_option("--log-level", arguments.log_level, "trace, debug, info, warning, error");
  app.add_flag("!--no-shared-memory", arguments.shared_memory, "no stream uses shared memory");
  app.footer("Example: millrace-actor actor 0 --run-dir runs/demo --incarnation 0");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return absl::CancelledError(app.help());
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  return arguments;
}

WorkerProcess::WorkerProcess(WorkerArguments arguments, RunPaths paths)
    : arguments_(std::move(arguments)),
      paths_(std::move(paths)),
      timer_(Activity::kStartUp, Clock::now() - Age(ThisProcess())) {}

absl::StatusOr<std::unique_ptr<WorkerProcess>> WorkerProcess::Start(
    const WorkerArguments& arguments) {
  InstallSignals();
  MILLRACE_RETURN_IF_ERROR(
      InitLogging({.name = fmt::format("{}-{}", arguments.role, arguments.index),
                   .level = arguments.log_level,
                   .file = {}}));
  std::unique_ptr<WorkerProcess> worker(
      new WorkerProcess(arguments, RunPaths(arguments.run_directory)));
  if (arguments.shared_memory) {
    MILLRACE_ASSIGN_OR_RETURN(
        worker->bell_file_,
        MappedFile::OpenOrCreate(worker->paths_.bell(arguments.role, arguments.index),
                                 sizeof(Doorbell)));
  }
  ControlClientOptions options;
  options.run_directory = worker->paths_.root();
  options.role = arguments.role;
  options.index = arguments.index;
  options.incarnation = arguments.incarnation;
  options.bell = &worker->bell();
  MILLRACE_ASSIGN_OR_RETURN(worker->control_, ControlClient::Connect(options));
  MILLRACE_ASSIGN_OR_RETURN(worker->config_, ParseExperiment(worker->control_->config_yaml(),
                                                             worker->paths_.config().string()));
  worker->spin_ = AdaptiveSpin(std::chrono::microseconds(worker->config_.spin_us));
  return worker;
}

absl::StatusOr<Ledger*> WorkerProcess::CreateLedger(const std::string& policy, uint32_t rank,
                                                    const ConsumerState* initial) {
  const LedgerIdentity identity{.role = arguments_.role,
                                .index = arguments_.index,
                                .incarnation = arguments_.incarnation,
                                .policy = policy,
                                .rank = rank,
                                .process = ThisProcess()};
  MILLRACE_ASSIGN_OR_RETURN(ledger_, Ledger::Create(paths_.ledger(), identity, initial));
  timer_.PublishTo(&ledger_->activities());
  return ledger_.get();
}

StreamContext WorkerProcess::stream_context() {
  StreamContext context;
  context.names = control_.get();
  context.bell = &bell();
  if (bell_file_ != nullptr) context.bell_path = bell_file_->path();
  context.shm_directory = paths_.shm();
  context.index = arguments_.index;
  context.incarnation = arguments_.incarnation;
  context.ledger = ledger_.get();
  return context;
}

absl::StatusOr<PolicyContract> WorkerProcess::AwaitContract(const std::string& policy) {
  const std::string key = ContractKey(policy);
  MILLRACE_RETURN_IF_ERROR(control_->Watch(key, &bell()));
  const Deadline warn_at = After(std::chrono::seconds(30));
  bool warned = false;
  while (Running()) {
    const uint32_t seen = bell().Value();
    for (const NameEntry& entry : control_->List(key)) {
      if (entry.key == key) return PolicyContract::FromJson(entry.value);
    }
    if (!warned && Expired(warn_at)) {
      spdlog::warn("still waiting for trainer 0 of policy {} to publish its contract", policy);
      warned = true;
    }
    bell().Wait(seen, After(std::chrono::milliseconds(500)));
  }
  return absl::CancelledError("the run ended before the trainer was ready");
}

Deadline DrainDeadline(const ExperimentConfig& config, double share) {
  return After(std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(share * config.supervision.drain_seconds)));
}

Transport ChooseTransport(const std::string& name, Transport on_host) {
  if (name == "shm") return Transport::kShm;
  if (name == "zmq") return Transport::kZmq;
  if (name == "grpc") return Transport::kGrpc;
  return on_host;
}

int FinishWorker(ControlClient* control, const absl::Status& status) {
  int code = 1;
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kCancelled:
      code = 0;
      break;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
      code = 2;
      break;
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kResourceExhausted:
      code = 4;
      break;
    default:
      break;
  }
  if (code == 0) {
    spdlog::info("done");
    return 0;
  }
  spdlog::error("{}", std::string(status.message()));
  if (control != nullptr) {
    const absl::Status reported = control->ReportFailure(std::string(status.message()), code);
    if (!reported.ok()) spdlog::warn("could not report: {}", std::string(reported.message()));
  }
  return code;
}

}  // namespace millrace
