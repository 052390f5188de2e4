// Carries out on this host what the controller decides: starts, signals, reaps and measures the
// processes of one run, the controller itself among them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control/controller_core.h"
#include "core/deadline.h"

namespace millrace {

struct NodeAgentOptions {
  std::filesystem::path run_directory;
  std::filesystem::path binaries;  // the directory of millrace-actor and the others
  // Which of them plays a role.
  std::map<std::string, std::string> binary_of_role = {
      {"actor", "millrace-actor"},
      {"policy", "millrace-torch"},
      {"trainer", "millrace-torch"},
      {"evaluation", "millrace-torch"},
      {"parameter_server", "millrace-store"},
      {"reader", "millrace-store"},
  };
  std::vector<std::string> controller_arguments;  // [0] is the binary's path
  // Put after `BIN ROLE INDEX --run-dir DIR --incarnation N`.
  std::map<std::string, std::vector<std::string>> extra_arguments;
  std::map<std::string, std::string> environment;  // of every process
};

struct RunOutcome {
  int exit_code = 0;
  std::string reason;
};

// Makes this process a sub-reaper. Makes the run's logs/ and shared-memory directory and removes
// the latter in Shutdown(). Everything runs on one thread; the functions are thread-safe.
class NodeAgent {
 public:
  // Starts the controller and keeps it running; it says which workers to start.
  static absl::StatusOr<std::unique_ptr<NodeAgent>> Start(const NodeAgentOptions& options);
  // Shutdown() with no grace, unless it was called.
  virtual ~NodeAgent() = default;

  // Asks the controller to drain and end the run (Ctrl-C).
  virtual void RequestStop() = 0;
  // Set once the controller has ended the run or cannot be kept running.
  virtual std::optional<RunOutcome> Outcome() const = 0;
  // Waits for Outcome(); false at the deadline.
  virtual bool WaitForOutcome(Deadline deadline) = 0;
  // SIGTERM to every process, SIGKILL to every process group after `grace`. Returns when no process
  // is left.
  virtual void Shutdown(Clock::duration grace) = 0;

  // By role, with "controller" and "launcher" (this process). CPU seconds are exact for the dead;
  // memory and the living are sampled twice a second.
  virtual std::map<std::string, RoleUsage> Usage() const = 0;
  // The controller's process at the moment; 0 while there is none.
  virtual int controller_pid() const = 0;
};

}  // namespace millrace
