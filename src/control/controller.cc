#include "control/controller.h"

#include <grpcpp/grpcpp.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control/controller_file.h"
#include "control/controller_service.h"
#include "control/rpc.h"
#include "core/run_paths.h"
#include "core/thread_name.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

Clock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

ControllerCoreOptions CoreOptions(const ControllerOptions& options, uint64_t epoch) {
  ControllerCoreOptions core;
  core.ledger_directory = RunPaths(options.run_directory).ledger();
  core.store_journal = RunPaths(options.run_directory).store();
  core.config_yaml = options.config_yaml;
  core.epoch = epoch;
  core.heartbeat = Seconds(options.supervision.heartbeat_seconds);
  core.supervisor.plan = options.plan;
  core.supervisor.lease = Seconds(options.supervision.lease_seconds);
  core.supervisor.orphan_grace = Seconds(options.supervision.orphan_grace_seconds);
  core.supervisor.restart.first_delay = Seconds(options.supervision.restart_delay_seconds);
  core.supervisor.restart.max_restarts_per_minute = options.supervision.max_restarts_per_minute;
  return core;
}

class GrpcController final : public Controller {
 public:
  GrpcController(ControllerCoreOptions options, ControllerAddress address)
      : address_(std::move(address)),
        core_(std::move(options)),
        service_(core_, address_.token),
        ticker_([this](const std::stop_token& stop) { TickLoop(stop); }) {}

  ~GrpcController() override {
    // Held calls are answered first: Shutdown() waits for every call.
    core_.Close();
    if (server_ != nullptr) server_->Shutdown();
  }

  absl::Status Serve(const std::filesystem::path& run_directory, int wanted_port) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", wanted_port),
                             grpc::InsecureServerCredentials(), &port);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port == 0) {
      return absl::ResourceExhaustedError(
          wanted_port == 0
              ? "the controller cannot listen on 127.0.0.1: no port is free"
              : absl::StrCat("cluster.controller_port: expected a free port of 127.0.0.1, got ",
                             wanted_port, ", which is in use or not allowed; 0 takes any"));
    }
    address_.address = absl::StrCat("127.0.0.1:", port);
    MILLRACE_RETURN_IF_ERROR(WriteControllerFile(run_directory, address_));
    spdlog::info("controller {} listens on {}", address_.epoch, address_.address);
    return absl::OkStatus();
  }

  void RequestDrain(const std::vector<std::string>& roles) override { core_.RequestDrain(roles); }
  void SetCommand(const std::string& role, WorkerCommand command) override {
    core_.SetCommand(role, command);
  }
  void Kill(const std::vector<std::string>& roles, int signal) override {
    core_.Kill(roles, signal);
  }
  std::vector<WorkerSnapshot> Workers() const override { return core_.Workers(); }
  bool AllExited(const std::vector<std::string>& roles) const override {
    return core_.AllExited(roles);
  }
  std::optional<RunFailure> FailureReason() const override { return core_.failure(); }
  bool StopRequested() const override { return core_.StopRequested(); }
  bool Paused() const override { return core_.paused(); }
  void SetRunState(const std::string& state) override { core_.SetRunState(state); }
  void FinishRun(int exit_code, const std::string& reason) override {
    core_.FinishRun(exit_code, reason);
  }
  bool FinishDelivered() const override { return core_.FinishDelivered(); }
  std::vector<NameEntry> ListNames(const std::string& prefix) const override {
    return core_.ListNames(prefix);
  }
  uint64_t NameRevision() const override { return core_.name_revision(); }
  std::map<std::string, RoleUsage> Usage() const override { return core_.Usage(); }
  uint64_t epoch() const override { return address_.epoch; }

 private:
  void TickLoop(const std::stop_token& stop) {
    SetThreadName("control-tick");
    while (!stop.stop_requested()) std::this_thread::sleep_until(core_.Tick());
  }

  ControllerAddress address_;  // constant once served
  ControllerCore core_;
  ControllerService service_;
  std::unique_ptr<grpc::Server> server_;
  std::jthread ticker_;
};

uint64_t NextEpoch(const std::filesystem::path& run_directory) {
  const absl::StatusOr<ControllerAddress> last = ReadControllerFile(run_directory);
  return last.ok() ? last->epoch + 1 : 1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Controller>> Controller::Start(const ControllerOptions& options) {
  ControllerAddress address;
  address.pid = ::getpid();
  address.epoch = NextEpoch(options.run_directory);
  MILLRACE_ASSIGN_OR_RETURN(address.token, NewToken());
  auto controller =
      std::make_unique<GrpcController>(CoreOptions(options, address.epoch), std::move(address));
  MILLRACE_RETURN_IF_ERROR(controller->Serve(options.run_directory, options.port));
  return controller;
}

}  // namespace millrace
