// The controller of a run: what the main loop of `millrace controller` works with.
//
//   Controller --owns--> grpc::Server -> ControllerService -> ControllerCore <- tick thread
//                                                             (Supervisor, NameTable, SharedStore)
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "config/experiment.h"
#include "control/control_client.h"
#include "control/controller_core.h"
#include "control/supervisor.h"
#include "control/worker_id.h"

namespace millrace {

struct ControllerOptions {
  std::filesystem::path run_directory;
  std::string config_yaml;     // resolved; handed to every worker
  std::vector<WorkerId> plan;  // the workers to keep running
  SupervisionConfig supervision;
  int port = 0;  // 0: any free one
};

// Serves on a loopback port, written to RUN/controller.json. Workers and
// names of an earlier controller of the same run directory are taken over. Thread-safe.
class Controller {
 public:
  // kResourceExhausted if no port can be had; the status of writing controller.json.
  static absl::StatusOr<std::unique_ptr<Controller>> Start(const ControllerOptions& options);
  virtual ~Controller() = default;

  // Tells the workers of these roles to finish what they hold and exit. From the first call on
  // nothing is restarted.
  virtual void RequestDrain(const std::vector<std::string>& roles) = 0;
  virtual void SetCommand(const std::string& role, WorkerCommand command) = 0;
  // For roles that do not exit on command.
  virtual void Kill(const std::vector<std::string>& roles, int signal) = 0;
  virtual std::vector<WorkerSnapshot> Workers() const = 0;
  virtual bool AllExited(const std::vector<std::string>& roles) const = 0;
  // Why the run cannot go on: a crash loop (exit code 3) or a worker that exited with 2 or 4.
  virtual std::optional<RunFailure> FailureReason() const = 0;
  // By `millrace stop`, or by a signal to the launcher. Nothing is (re)started any more.
  virtual bool StopRequested() const = 0;
  // By `millrace pause` (the actors have been told).
  virtual bool Paused() const = 0;

  // Shown by `millrace status`, for example "running" or "draining".
  virtual void SetRunState(const std::string& state) = 0;
  // Tells the node agent that the run is over. Exit once FinishDelivered(), or after a while.
  virtual void FinishRun(int exit_code, const std::string& reason) = 0;
  virtual bool FinishDelivered() const = 0;

  // The name service, every key of it.
  virtual std::vector<NameEntry> ListNames(const std::string& prefix) const = 0;
  virtual uint64_t NameRevision() const = 0;
  // By role, "controller" and "launcher" among them; as of the agent's last report.
  virtual std::map<std::string, RoleUsage> Usage() const = 0;
  // Counts the controllers of this run directory, from 1.
  virtual uint64_t epoch() const = 0;
};

}  // namespace millrace
