// `millrace controller`: one run's controller process.
//
//   Controller (gRPC threads)   registration, leases, names, supervision
//   main thread                 metrics, stop conditions, the order of the end
//
//   running   until goal, limit, stop or failure
//   draining  actors and trainers finish and account for every segment, until all of them are gone
//   closing   policy workers and parameter servers exit
//   finished
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/common/exit_code.h"
#include "cli/millrace/commands.h"
#include "cli/millrace/run_plan.h"
#include "cli/millrace/run_result.h"
#include "control/controller.h"
#include "control/parent_watch.h"
#include "core/log.h"
#include "millrace/core/status.h"
#include "report/accounting.h"
#include "report/metrics_writer.h"
#include "report/run_metrics.h"
#include "report/tensorboard_writer.h"

namespace millrace {
namespace {

constexpr auto kRound = std::chrono::milliseconds(20);
constexpr auto kMetricsEvery = std::chrono::milliseconds(1000);
constexpr auto kCloseDeadline = std::chrono::milliseconds(1000);
constexpr auto kDeliveryDeadline = std::chrono::seconds(5);

double UnixTime() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

class RunController {
 public:
  RunController(RunPaths paths, ExperimentConfig config, double launched)
      : paths_(std::move(paths)), config_(std::move(config)), launched_(launched) {}

  absl::Status Run();

 private:
  absl::Status SetUp();
  std::optional<RunResult> ReasonToEnd() const;
  bool LimitReached() const;
  void ReadMetrics();
  void WriteMetrics();
  absl::Status End(RunResult result);
  bool AwaitExit(const std::vector<std::string>& roles, Clock::duration patience);
  double Elapsed() const {
    return std::chrono::duration<double>(Clock::now().time_since_epoch()).count() - launched_;
  }

  const RunPaths paths_;
  const ExperimentConfig config_;
  const double launched_;  // steady clock, seconds; less what earlier launches took
  std::unique_ptr<Controller> controller_;
  std::unique_ptr<RunMetricsReader> reader_;
  std::unique_ptr<MetricsWriter> writer_;
  std::unique_ptr<TensorBoardWriter> tensorboard_;
  RunMetrics metrics_;
  std::map<std::string, std::string> reports_;  // by policy: the newest of its trainers
  Deadline next_write_{};
};

absl::Status RunController::SetUp() {
  ControllerOptions options;
  options.run_directory = paths_.root();
  options.config_yaml = DumpExperiment(config_);
  options.plan = PlanWorkers(config_);
  options.supervision = config_.supervision;
  options.port = config_.cluster.controller_port;
  MILLRACE_ASSIGN_OR_RETURN(controller_, Controller::Start(options));
  reader_ = std::make_unique<RunMetricsReader>(RunMetricsReader::SettingsOf(config_, paths_));
  MILLRACE_ASSIGN_OR_RETURN(writer_, MetricsWriter::Open(paths_.metrics()));
  MILLRACE_ASSIGN_OR_RETURN(tensorboard_, TensorBoardWriter::Create(paths_.tensorboard()));
  controller_->SetRunState("running");
  return absl::OkStatus();
}

// The step limit counts steps that were trained on: a sample lost to a fault is made up for.
bool RunController::LimitReached() const {
  if (!config_.stop.env_steps.has_value()) return false;
  if (metrics_.env_steps < *config_.stop.env_steps) return false;
  const auto accounting = AccountingOf(reader_->ledgers().entries());
  return accounting.size() >= config_.policies.size() &&
         std::all_of(accounting.begin(), accounting.end(), [&](const auto& stream) {
           return stream.second.trained.env_steps >= *config_.stop.env_steps;
         });
}

std::optional<RunResult> RunController::ReasonToEnd() const {
  if (const auto failure = controller_->FailureReason()) {
    return RunResult{RunStatus::kFailed, failure->reason, failure->exit_code, Elapsed()};
  }
  if (metrics_.goal_reached.has_value()) {
    return RunResult{RunStatus::kReachedGoal,
                     fmt::format("the mean of the last 100 training episodes reached {}",
                                 *config_.stop.episode_return),
                     kExitOk, Elapsed()};
  }
  if (LimitReached()) {
    return RunResult{
        RunStatus::kReachedLimit,
        fmt::format("stop.{} = {} reached", config_.steps_key(), *config_.stop.env_steps), kExitOk,
        Elapsed()};
  }
  if (config_.stop.wall_seconds.has_value() && Elapsed() >= *config_.stop.wall_seconds) {
    return RunResult{RunStatus::kReachedLimit,
                     fmt::format("stop.wall_seconds = {} reached", *config_.stop.wall_seconds),
                     config_.stop.require_goal ? kExitTimeLimit : kExitOk, Elapsed()};
  }
  if (controller_->StopRequested()) {
    return RunResult{RunStatus::kStopped, "stopped by the user", kExitStopped, Elapsed()};
  }
  return std::nullopt;
}

void RunController::ReadMetrics() {
  metrics_ = reader_->Read(UnixTime(), Elapsed());
  // Trainers' reports stay after the trainers have gone.
  for (const NameEntry& entry : controller_->ListNames("metrics/")) {
    std::string& last = reports_[entry.key.substr(std::string("metrics/").size())];
    if (last == entry.value) continue;
    last = entry.value;
    next_write_ = {};  // every report is written
  }
  std::map<std::string, int> policies;  // that say the number
  for (const auto& [policy, report] : reports_) {
    const auto numbers = nlohmann::json::parse(report, nullptr, false);
    for (const auto& [name, value] : numbers.items()) {
      if (!value.is_number()) continue;
      const int count = ++policies[name];
      double& mean = metrics_.training[name];
      mean += (value.get<double>() - mean) / count;
      if (config_.policies.size() > 1) {
        metrics_.training["policy/" + policy + "/" + name] = value.get<double>();
      }
    }
  }
}

void RunController::WriteMetrics() {
  if (!Expired(next_write_)) return;
  next_write_ = After(kMetricsEvery);
  absl::Status written = writer_->Write(metrics_);
  written.Update(tensorboard_->Write(metrics_));
  if (!written.ok()) spdlog::warn("{}", std::string(written.message()));
}

absl::Status RunController::Run() {
  const ParentWatch parent;
  if (const absl::Status status = SetUp(); !status.ok()) {
    const RunResult result{RunStatus::kFailed, std::string(status.message()), ExitCodeOf(status),
                           Elapsed()};
    MILLRACE_RETURN_IF_ERROR(WriteRunResult(paths_, result));
    return status;
  }
  while (true) {
    ReadMetrics();
    WriteMetrics();
    if (const auto result = ReasonToEnd()) return End(*result);
    if (parent.ParentGone()) {
      return End({RunStatus::kFailed, "the launcher is gone", kExitInternal, Elapsed()});
    }
    std::this_thread::sleep_for(kRound);
  }
}

absl::Status RunController::End(RunResult result) {
  spdlog::info("ending: {}", result.reason);
  MILLRACE_RETURN_IF_ERROR(WriteRunResult(paths_, result));
  controller_->SetRunState("draining");
  controller_->RequestDrain({"actor", "reader", "trainer"});
  const auto patience = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(config_.supervision.drain_seconds));
  if (!AwaitExit({"actor", "reader", "trainer"}, patience)) {
    result.reason += fmt::format(
        "; workers that had not drained within supervision.drain_seconds = {} were killed",
        config_.supervision.drain_seconds);
    if (result.status == RunStatus::kStopped) result.exit_code = kExitInternal;
    MILLRACE_RETURN_IF_ERROR(WriteRunResult(paths_, result));
  }
  controller_->SetRunState("closing");
  controller_->SetCommand("policy", WorkerCommand::kExit);
  controller_->SetCommand("parameter_server", WorkerCommand::kExit);
  AwaitExit({"policy", "parameter_server"}, kCloseDeadline);
  ReadMetrics();
  next_write_ = {};
  WriteMetrics();
  controller_->SetRunState("finished");
  controller_->FinishRun(result.exit_code, result.reason);
  const Deadline deadline = After(kDeliveryDeadline);
  while (!controller_->FinishDelivered() && !Expired(deadline)) std::this_thread::sleep_for(kRound);
  return absl::OkStatus();
}

// False if some had to be killed because they had not left in time.
bool RunController::AwaitExit(const std::vector<std::string>& roles, Clock::duration patience) {
  const auto await = [&](Deadline deadline) {
    while (!controller_->AllExited(roles) && !Expired(deadline)) {
      ReadMetrics();
      WriteMetrics();
      std::this_thread::sleep_for(kRound);
    }
    return controller_->AllExited(roles);
  };
  if (await(After(patience))) return true;
  spdlog::warn("some workers did not exit in time and are killed");
  controller_->Kill(roles, SIGKILL);
  await(After(std::chrono::seconds(1)));
  return false;
}

absl::Status RunTheController(const std::string& directory, double launched) {
  MILLRACE_RETURN_IF_ERROR(InitLogging({.name = "controller", .level = "info", .file = {}}));
  const RunPaths paths(directory);
  MILLRACE_ASSIGN_OR_RETURN(ExperimentConfig config, LoadExperiment(paths.config()));
  RunController controller(paths, std::move(config), launched);
  return controller.Run();
}

}  // namespace

void AddControllerCommand(CLI::App& app, int& exit_code) {
  auto* command =
      app.add_subcommand("controller", "The controller of a run; started by `millrace run`.");
  command->group("");  // not shown
  auto directory = std::make_shared<std::string>();
  auto launched = std::make_shared<double>(0);
  command->add_option("--run-dir", *directory, "the run's directory")->required();
  command
      ->add_option("--launched", *launched,
                   "steady clock of the launch, less the seconds of earlier ones")
      ->required();
  command->callback([directory, launched, &exit_code] {
    const absl::Status status = RunTheController(*directory, *launched);
    exit_code = status.ok() ? kExitOk : Fail(status);
  });
}

}  // namespace millrace
