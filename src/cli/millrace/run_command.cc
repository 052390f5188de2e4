// `millrace run` and `millrace resume`: launcher, node agent of this host, and what the user sees.
//
//   NodeAgent thread   starts, reaps and measures the controller and the workers
//   main thread        shows progress, turns Ctrl-C into a stop request, writes summary.json
#include <spdlog/spdlog.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/common/evaluate_command.h"
#include "cli/common/exit_code.h"
#include "cli/millrace/check_experiment.h"
#include "cli/millrace/choose_groups.h"
#include "cli/millrace/commands.h"
#include "cli/millrace/resume_check.h"
#include "cli/millrace/run_directory.h"
#include "cli/millrace/run_lock.h"
#include "cli/millrace/run_plan.h"
#include "cli/millrace/run_result.h"
#include "core/log.h"
#include "core/process_identity.h"
#include "launcher/node_agent.h"
#include "launcher/process_usage.h"
#include "millrace/core/status.h"
#include "millrace/registry/plugin.h"
#include "report/metrics_writer.h"
#include "report/plot/run_charts.h"
#include "report/progress.h"
#include "report/run_metrics.h"
#include "report/summary.h"

namespace millrace {
namespace {

constexpr auto kRound = std::chrono::milliseconds(20);
constexpr auto kShowEvery = std::chrono::milliseconds(500);
constexpr auto kShutdownGrace = std::chrono::milliseconds(500);
constexpr auto kOrphanPatience = std::chrono::seconds(2);

std::atomic<int> interrupts{0};

void OnSignal(int) { ++interrupts; }

struct RunArguments {
  std::string file;  // run: the experiment; resume: the run
  std::vector<std::string> set;
  std::string name;
  std::string runs = "runs";
  std::string progress = "auto";
  std::string log_level = "warning";
  bool dry_run = false;
};

double SteadySeconds() {
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

double UnixTime() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

AgentUsage ToAgentUsage(const std::map<std::string, RoleUsage>& usage) {
  AgentUsage result;
  for (const auto& [role, used] : usage) {
    result.cpu_seconds_by_role[role] = used.cpu_seconds;
    result.peak_rss_bytes_by_role[role] = used.peak_rss_bytes;
    result.restarts_by_role[role] = used.restarts;
    result.cpu_wait_seconds_by_role[role] = used.cpu_wait_seconds;
    if (used.lifetime_seconds > 0) result.lifetime_seconds_by_role[role] = used.lifetime_seconds;
  }
  result.cores = AvailableCores();
  return result;
}

// Over all roles.
struct CpuTotals {
  double seconds = 0, waited = 0;
};

CpuTotals Totals(const std::map<std::string, RoleUsage>& usage) {
  CpuTotals totals;
  for (const auto& [role, used] : usage) {
    totals.seconds += used.cpu_seconds;
    totals.waited += used.cpu_wait_seconds;
  }
  return totals;
}

// Process ids of every worker there ever was, from the ledgers.
std::map<std::string, std::vector<int32_t>> PidsByRole(const RunPaths& paths) {
  std::map<std::string, std::vector<int32_t>> pids;
  for (const auto& [name, path] : ListLedgers(paths.ledger())) {
    if (const auto ledger = Ledger::Read(path); ledger.ok()) {
      pids[name.role].push_back(ledger->identity.process.pid);
    }
  }
  return pids;
}

// Whether any stream between processes does.
bool UsesSharedMemory(const ExperimentConfig& config) {
  const auto shm = [](const std::string& transport) {
    return transport == "auto" || transport == "shm";
  };
  if (config.reads_dataset()) return shm(config.sample_stream.transport);
  const bool remote = config.actor.inference != InferenceMode::kInline;
  return (remote && shm(config.inference_stream.transport)) ||
         shm(config.sample_stream.transport) || shm(config.weight_stream.transport);
}

// Workers of an earlier launch that was killed itself: they would find the new controller, but not
// their shared memory.
void KillOrphans(const RunPaths& paths) {
  const Deadline deadline = After(kOrphanPatience);
  for (const auto& [name, path] : ListLedgers(paths.ledger())) {
    const auto ledger = Ledger::Read(path);
    if (!ledger.ok() || !IsAlive(ledger->identity.process)) continue;
    spdlog::warn("killing {}-{}, which an earlier launch has left", name.role, name.index);
    ::kill(ledger->identity.process.pid, SIGKILL);
    while (IsAlive(ledger->identity.process) && !Expired(deadline)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
}

class Launcher {
 public:
  Launcher(RunPaths paths, ExperimentConfig config, ProgressMode progress)
      : paths_(std::move(paths)),
        config_(std::move(config)),
        progress_(progress, stdout,
                  {config_.stop.env_steps, config_.stop.episode_return, config_.report.statistics,
                   config_.reads_dataset()}),
        quiet_(progress == ProgressMode::kNone) {}

  // kFailedPrecondition if an earlier launch has reached what would end this one.
  absl::Status Check();
  // Runs to the end, writes the summary and shows it. After Check().
  absl::StatusOr<RunResult> Run();

 private:
  absl::Status Start();
  void Watch();
  void NoticeTrainingSpan();
  SummaryInput MakeSummary(const RunResult& result);
  // Of a dataset, what is learnt shows in losses alone; the controller writes them down.
  RunMetrics WithLosses(RunMetrics metrics) const {
    if (config_.reads_dataset()) metrics.training = NewestLosses(paths_.metrics());
    return metrics;
  }
  // Seconds of the run, over all launches.
  double Elapsed() const { return elapsed_before_ + SteadySeconds() - launched_; }

  const RunPaths paths_;
  const ExperimentConfig config_;
  ProgressWriter progress_;
  const bool quiet_;
  const double launched_ = SteadySeconds();
  const double elapsed_before_ = ElapsedBefore(paths_.metrics());
  std::unique_ptr<NodeAgent> agent_;
  std::unique_ptr<RunMetricsReader> reader_;
  std::set<int32_t> controller_pids_;  // they keep no ledger
  uint64_t env_steps_before_ = 0;
  std::optional<double> training_began_, training_ended_;  // Elapsed()
  CpuTotals cpu_at_begin_, cpu_at_end_;
};

absl::Status Launcher::Check() {
  reader_ = std::make_unique<RunMetricsReader>(RunMetricsReader::SettingsOf(config_, paths_));
  const RunMetrics& before = reader_->Read(UnixTime(), 0);
  env_steps_before_ = before.env_steps;
  if (before.goal_reached.has_value()) {
    return absl::FailedPreconditionError(fmt::format(
        "{} has reached its goal: the mean of the last 100 training episodes was {} before; go on "
        "with --set stop.episode_return=HIGHER or --set stop.episode_return=null",
        paths_.root().string(), *config_.stop.episode_return));
  }
  if (elapsed_before_ > 0 && elapsed_before_ >= config_.stop.wall_seconds.value_or(HUGE_VAL)) {
    return absl::FailedPreconditionError(fmt::format(
        "{} has had its time: it ran for {:.0f} s, stop.wall_seconds is {}; go on with --set "
        "stop.wall_seconds=MORE or --set stop.wall_seconds=null",
        paths_.root().string(), elapsed_before_, *config_.stop.wall_seconds));
  }
  return absl::OkStatus();
}

absl::Status Launcher::Start() {
  KillOrphans(paths_);
  // What an earlier launch has left.
  RemoveRunResult(paths_);
  std::error_code ignored;
  for (const auto& file : {paths_.controller(), paths_.store(), paths_.summary()}) {
    std::filesystem::remove(file, ignored);
  }
  MILLRACE_ASSIGN_OR_RETURN(const auto binaries, BinariesDirectory());
  NodeAgentOptions options;
  options.run_directory = paths_.root();
  options.binaries = binaries;
  options.controller_arguments = {(binaries / "millrace").string(),
                                  "controller",
                                  "--run-dir",
                                  paths_.root().string(),
                                  "--launched",
                                  fmt::format("{:.6f}", launched_ - elapsed_before_)};
  if (config_.actor.inference == InferenceMode::kInline && !HasNativeModels(config_)) {
    options.binary_of_role["actor"] = "millrace-torch";
  }
  // Worker processes are many; their thread pools must not be.
  options.environment = {{"OMP_NUM_THREADS", std::to_string(config_.trainer.threads)},
                         {"GRPC_VERBOSITY", "ERROR"}};
  if (!UsesSharedMemory(config_)) {
    for (const WorkerId& worker : PlanWorkers(config_)) {
      options.extra_arguments[worker.role] = {"--no-shared-memory"};
    }
  }
  MILLRACE_ASSIGN_OR_RETURN(agent_, NodeAgent::Start(options));
  return absl::OkStatus();
}

absl::StatusOr<RunResult> Launcher::Run() {
  std::signal(SIGINT, OnSignal);
  std::signal(SIGTERM, OnSignal);
  std::signal(SIGPIPE, SIG_IGN);
  MILLRACE_RETURN_IF_ERROR(Start());
  Watch();
  const auto outcome = agent_->Outcome();
  agent_->Shutdown(kShutdownGrace);
  progress_.Finish();
  auto result = ReadRunResult(paths_);
  if (!outcome.has_value()) {
    result = RunResult{RunStatus::kFailed,
                       "killed by a second interrupt before it had drained; the newest checkpoint "
                       "is what `millrace resume` continues from",
                       kExitInternal, Elapsed()};
  } else if (!result.ok()) {
    result =
        RunResult{RunStatus::kFailed, outcome->reason, std::max(1, outcome->exit_code), Elapsed()};
  }
  RemoveRunResult(paths_);
  const SummaryInput summary = MakeSummary(*result);
  MILLRACE_RETURN_IF_ERROR(WriteSummary(paths_.summary(), summary));
  if (const absl::Status written = WriteReport(paths_); !written.ok()) {
    spdlog::debug("no report: {}", std::string(written.message()));
  }
  const bool began = summary.metrics.env_steps > env_steps_before_;
  if (!quiet_ && (began || result->status != RunStatus::kFailed)) {
    std::printf("%s\n", DescribeSummary(summary).c_str());
    std::printf("summary: %s\nreport: %s\n%s %s\n", paths_.summary().string().c_str(),
                paths_.report().string().c_str(),
                config_.reads_dataset() ? "held-out samples: millrace eval"
                                        : "watch the agent: millrace play",
                paths_.root().string().c_str());
  }
  return *result;
}

void Launcher::Watch() {
  Deadline next_show = After(kShowEvery);
  int seen_interrupts = 0;
  while (!agent_->WaitForOutcome(After(kRound))) {
    reader_->Read(UnixTime(), Elapsed());
    NoticeTrainingSpan();
    if (const int pid = agent_->controller_pid(); pid != 0) controller_pids_.insert(pid);
    if (Expired(next_show)) {
      progress_.Show(WithLosses(reader_->metrics()));
      next_show = After(kShowEvery);
    }
    const int count = interrupts.load();
    if (count > seen_interrupts) {
      seen_interrupts = count;
      if (count >= 2) return;  // the user insists
      if (!quiet_) std::printf("\ndraining; another interrupt kills\n");
      agent_->RequestStop();
    }
  }
}

// Rates are taken between the first environment step and the moment the run is told to end.
void Launcher::NoticeTrainingSpan() {
  const double now = Elapsed();
  if (!training_began_.has_value() && reader_->metrics().env_steps > env_steps_before_) {
    training_began_ = now;
    cpu_at_begin_ = Totals(agent_->Usage());
  }
  if (training_ended_.has_value()) return;
  if (const auto result = ReadRunResult(paths_); result.ok()) {
    training_ended_ = result->elapsed_seconds;
    cpu_at_end_ = Totals(agent_->Usage());
  }
}

SummaryInput Launcher::MakeSummary(const RunResult& result) {
  SummaryInput input;
  input.status = result.status;
  input.reason = result.reason;
  input.metrics = WithLosses(reader_->Read(UnixTime(), Elapsed()));
  input.dataset = config_.reads_dataset();
  if (auto accounting = ReadAccounting(paths_.ledger()); accounting.ok()) {
    input.accounting = *std::move(accounting);
  }
  const auto usage = agent_->Usage();
  input.usage = ToAgentUsage(usage);
  input.usage.pids_by_role = PidsByRole(paths_);
  input.usage.pids_by_role["launcher"] = {::getpid()};
  input.usage.pids_by_role["controller"].assign(controller_pids_.begin(), controller_pids_.end());
  input.wall_seconds = SteadySeconds() - launched_;
  input.elapsed_seconds = Elapsed();
  if (training_began_.has_value()) {
    input.train_seconds = training_ended_.value_or(Elapsed()) - *training_began_;
    const CpuTotals end = training_ended_.has_value() ? cpu_at_end_ : Totals(usage);
    input.train_cpu_seconds = end.seconds - cpu_at_begin_.seconds;
    input.train_cpu_wait_seconds = end.waited - cpu_at_begin_.waited;
  }
  input.env_steps_before = env_steps_before_;
  if (input.metrics.goal_reached.has_value()) {
    input.seconds_to_goal =
        static_cast<double>(input.metrics.goal_reached->finished_ns) * 1e-9 - launched_;
  }
  input.millrace_version = MILLRACE_VERSION;
  input.libtorch_version = MILLRACE_LIBTORCH_VERSION;
  input.config_hash = ConfigHash(config_);
  input.seed = config_.seed;
  return input;
}

int SayWhy(const RunResult& result) {
  if (result.status == RunStatus::kFailed) {
    std::fprintf(stderr, "millrace: %s\n", result.reason.c_str());
  }
  return result.exit_code;
}

void PrintPlan(const ExperimentConfig& config) {
  std::printf("%s\n# processes\n#   launcher and node agent (this command), controller\n",
              DumpExperiment(config).c_str());
  for (const WorkerId& worker : PlanWorkers(config))
    std::printf("#   %s\n", ToString(worker).c_str());
}

// A worker may find what nothing before it could know; it has read the resolved file, but the user
// wants to know the place in their own. A run that has not begun leaves nothing behind.
absl::StatusOr<int> ExplainFailure(const RunArguments& arguments, const RunPaths& paths,
                                   const RunResult& result) {
  MILLRACE_ASSIGN_OR_RETURN(const int code, CheckWithTorch(arguments.file, arguments.set));
  if (code == kExitOk) return SayWhy(result);
  std::error_code ignored;
  std::filesystem::remove_all(paths.root(), ignored);
  return code;
}

absl::Status SettleGroups(const RunArguments& arguments, const std::vector<Override>& overrides,
                          const Registry& registry, bool say, ExperimentConfig& config) {
  MILLRACE_ASSIGN_OR_RETURN(const GroupChoice choice,
                            ChooseGroups(arguments.file, overrides, config, registry));
  config.actor.groups = choice.groups;
  if (say) std::printf("workers.actor.groups: %d (%s)\n", choice.groups, choice.why.c_str());
  return absl::OkStatus();
}

absl::StatusOr<int> Run(const RunArguments& arguments) {
  MILLRACE_RETURN_IF_ERROR(
      InitLogging({.name = "millrace", .level = arguments.log_level, .file = {}}));
  MILLRACE_ASSIGN_OR_RETURN(const ProgressMode progress, ParseProgressMode(arguments.progress));
  MILLRACE_ASSIGN_OR_RETURN(const auto overrides, ParseOverrides(arguments.set));
  MILLRACE_ASSIGN_OR_RETURN(ExperimentConfig config, LoadExperiment(arguments.file, overrides));
  MILLRACE_RETURN_IF_ERROR(ResolveInitialWeights(arguments.runs, config));
  Registry registry = BuiltinRegistry();
  MILLRACE_RETURN_IF_ERROR(CheckWithoutTorch(config, registry));
  if (config.actor.groups == 0) {
    MILLRACE_RETURN_IF_ERROR(
        SettleGroups(arguments, overrides, registry, progress != ProgressMode::kNone, config));
  }
  if (arguments.dry_run) {
    PrintPlan(config);
    return CheckWithTorch(arguments.file, arguments.set);
  }
  MILLRACE_ASSIGN_OR_RETURN(const RunPaths paths,
                            MakeRunDirectory(arguments.runs, arguments.name, config));
  MILLRACE_ASSIGN_OR_RETURN(const auto lock, RunLock::Acquire(paths));
  if (progress != ProgressMode::kNone) {
    std::printf("%s: %zu worker processes and the controller\n", paths.root().string().c_str(),
                PlanWorkers(config).size());
  }
  Launcher launcher(paths, config, progress);
  MILLRACE_RETURN_IF_ERROR(launcher.Check());
  MILLRACE_ASSIGN_OR_RETURN(const RunResult result, launcher.Run());
  const bool user_must_edit =
      result.status == RunStatus::kFailed && result.exit_code == kExitUserMustEdit;
  return user_must_edit ? ExplainFailure(arguments, paths, result) : SayWhy(result);
}

absl::StatusOr<int> Resume(const RunArguments& arguments) {
  MILLRACE_RETURN_IF_ERROR(
      InitLogging({.name = "millrace", .level = arguments.log_level, .file = {}}));
  MILLRACE_ASSIGN_OR_RETURN(const ProgressMode progress, ParseProgressMode(arguments.progress));
  MILLRACE_ASSIGN_OR_RETURN(const RunPaths paths, FindRunDirectory(arguments.file, arguments.runs));
  MILLRACE_ASSIGN_OR_RETURN(const auto lock, RunLock::Acquire(paths));
  MILLRACE_ASSIGN_OR_RETURN(const auto overrides, ParseOverrides(arguments.set));
  MILLRACE_ASSIGN_OR_RETURN(const ExperimentConfig config,
                            LoadExperiment(paths.config(), overrides));
  MILLRACE_RETURN_IF_ERROR(CheckResume(paths, config));
  Registry registry = BuiltinRegistry();
  MILLRACE_RETURN_IF_ERROR(CheckWithoutTorch(config, registry));
  Launcher launcher(paths, config, progress);
  MILLRACE_RETURN_IF_ERROR(launcher.Check());
  if (!arguments.set.empty()) {
    std::ofstream file(paths.config());
    file << DumpExperiment(config);
    if (!file) return absl::ResourceExhaustedError("cannot write " + paths.config().string());
  }
  MILLRACE_ASSIGN_OR_RETURN(const RunResult result, launcher.Run());
  return SayWhy(result);
}

void AddCommonOptions(CLI::App* command, RunArguments& arguments) {
  command->add_option("--set", arguments.set, "override a value: a.b=c (YAML)")
      ->allow_extra_args(false);
  command->add_option("--runs-dir", arguments.runs, "where run directories lie")
      ->capture_default_str();
  command->add_option("--progress", arguments.progress, "auto, plain or none")
      ->capture_default_str();
  command->add_option("--log-level", arguments.log_level, "of this command's own log")
      ->capture_default_str();
}

int Finish(const absl::StatusOr<int>& code) { return code.ok() ? *code : Fail(code.status()); }

}  // namespace

void AddRunCommand(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("run", "Launches an experiment and shows its progress.");
  auto arguments = std::make_shared<RunArguments>();
  command->add_option("file", arguments->file, "experiment (YAML)")->required();
  command->add_option("--name", arguments->name,
                      "of the run directory; default: the experiment's name");
  command->add_flag("--dry-run", arguments->dry_run,
                    "print the resolved file and the processes, start nothing");
  AddCommonOptions(command, *arguments);
  command->footer(
      "Example: millrace run configs/cartpole_ppo.yaml --set seed=2\n"
      "Ctrl-C drains and stops everything; `millrace resume` continues.");
  command->callback([arguments, &exit_code] { exit_code = Finish(Run(*arguments)); });
}

void AddResumeCommand(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("resume", "Continues a run from its newest valid checkpoint.");
  auto arguments = std::make_shared<RunArguments>();
  command->add_option("run", arguments->file, "run directory, or its name below runs/")->required();
  AddCommonOptions(command, *arguments);
  command->footer("Example: millrace resume runs/cartpole-ppo --set stop.episode_return=490");
  command->callback([arguments, &exit_code] { exit_code = Finish(Resume(*arguments)); });
}

}  // namespace millrace
