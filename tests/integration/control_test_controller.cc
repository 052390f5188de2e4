// A controller with the smallest sensible main loop: keeps two actors and a policy worker running,
// drains actors before policy workers, ends the run on stop or failure.
#include <spdlog/spdlog.h>

#include <string>
#include <thread>

#include "control/controller.h"
#include "control/parent_watch.h"
#include "core/log.h"

namespace millrace {
namespace {

bool DrainInOrder(Controller& controller) {
  controller.RequestDrain({"actor"});
  if (!controller.AllExited({"actor"})) return false;
  controller.RequestDrain({"policy"});
  return controller.AllExited({"policy"});
}

int Run(const std::string& run_directory, const std::string& config) {
  const ParentWatch parent;
  ControllerOptions options;
  options.run_directory = run_directory;
  options.config_yaml = config;
  options.plan = {{"actor", 0}, {"actor", 1}, {"policy", 0}};
  options.supervision.heartbeat_seconds = 0.2;
  options.supervision.lease_seconds = 3;
  options.supervision.orphan_grace_seconds = 2;
  options.supervision.restart_delay_seconds = 0.05;
  options.supervision.max_restarts_per_minute = 3;
  auto controller = Controller::Start(options);
  if (!controller.ok()) {
    spdlog::error("{}", std::string(controller.status().message()));
    return 4;
  }
  while (!parent.ParentGone() && !(*controller)->FinishDelivered()) {
    const auto failure = (*controller)->FailureReason();
    if ((failure || (*controller)->StopRequested()) && DrainInOrder(**controller)) {
      (*controller)
          ->FinishRun(failure ? failure->exit_code : 5, failure ? failure->reason : "stopped");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return 0;
}

}  // namespace
}  // namespace millrace

// RUN_DIRECTORY CONFIG
int main(int argc, char** argv) { return argc == 3 ? millrace::Run(argv[1], argv[2]) : 2; }
