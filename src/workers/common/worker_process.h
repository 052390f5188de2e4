// What every worker process has: arguments, log, doorbell, control client, experiment, ledger.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "config/experiment.h"
#include "control/control_client.h"
#include "core/activity.h"
#include "core/doorbell.h"
#include "core/mapped_file.h"
#include "core/run_paths.h"
#include "data/ledger.h"
#include "streams/factory.h"
#include "workers/common/policy_contract.h"

namespace millrace {

struct WorkerArguments {
  std::string role;
  uint32_t index = 0;
  uint32_t incarnation = 0;
  std::filesystem::path run_directory;
  std::string log_level = "info";
  bool shared_memory = true;  // false: no stream of the run uses it, so neither do doorbells
};

// ROLE INDEX --run-dir DIR --incarnation N [--log-level L], as the node agent passes them.
absl::StatusOr<WorkerArguments> ParseWorkerArguments(int argc, char** argv);

// Bound to the worker's main thread; the control client inside is thread-safe.
class WorkerProcess {
 public:
  // Installs logging, maps the doorbell, registers with the controller and reads the experiment.
  static absl::StatusOr<std::unique_ptr<WorkerProcess>> Start(const WorkerArguments& arguments);

  const WorkerArguments& arguments() const { return arguments_; }
  const ExperimentConfig& config() const { return config_; }
  const RunPaths& paths() const { return paths_; }
  ControlClient& control() { return *control_; }
  // Waits at the doorbell, as Doorbell::Wait(); spins first where that pays (workers.spin_us).
  bool AwaitBell(uint32_t seen, Deadline deadline) { return spin_.Wait(bell(), seen, deadline); }
  Doorbell& bell() { return bell_file_ != nullptr ? *bell_file_->At<Doorbell>(0) : private_bell_; }

  // True while the controller wants this worker to work (also while paused).
  bool Running() const { return command() < WorkerCommand::kDrain; }
  WorkerCommand command() const { return control_->command(); }

  // Makes this incarnation's ledger, where the main thread's activities are counted from now on.
  // Trainers say whose segments they consume, and what they carry over. Once.
  absl::StatusOr<Ledger*> CreateLedger(const std::string& policy = {}, uint32_t rank = 0,
                                       const ConsumerState* initial = nullptr);
  // After CreateLedger().
  StreamContext stream_context();

  // Waits for rank 0's record. kCancelled if the run ends first.
  absl::StatusOr<PolicyContract> AwaitContract(const std::string& policy);

 private:
  WorkerProcess(WorkerArguments arguments, RunPaths paths);

  WorkerArguments arguments_;
  RunPaths paths_;
  Doorbell private_bell_;
  std::unique_ptr<MappedFile> bell_file_;  // null without shared memory
  std::unique_ptr<ControlClient> control_;
  ExperimentConfig config_;
  AdaptiveSpin spin_{std::chrono::nanoseconds(0)};
  std::unique_ptr<Ledger> ledger_;
  ActivityTimer timer_;  // of the main thread
};

// How long a worker may take for one part of its drain: `share` of supervision.drain_seconds.
Deadline DrainDeadline(const ExperimentConfig& config, double share);

// The transport of a stream's `transport:` value; `auto` is `on_host`.
Transport ChooseTransport(const std::string& name, Transport on_host);

// Runs a worker's body and turns its status into the exit code, logged once and reported to the
// controller: OK and kCancelled 0, kInvalidArgument and kFailedPrecondition 2, kNotFound and
// kResourceExhausted 4, else 1.
int FinishWorker(ControlClient* control, const absl::Status& status);

}  // namespace millrace
