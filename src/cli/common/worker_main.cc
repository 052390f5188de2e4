#include "cli/common/worker_main.h"

#include <cstdio>
#include <string>

#include "cli/common/exit_code.h"

namespace millrace {

int RunWorkerMain(int argc, char** argv, const std::function<absl::Status(WorkerProcess&)>& body) {
  const auto arguments = ParseWorkerArguments(argc, argv);
  if (arguments.status().code() == absl::StatusCode::kCancelled) {
    std::printf("%s", std::string(arguments.status().message()).c_str());
    return kExitOk;
  }
  if (!arguments.ok()) return Fail(arguments.status());
  auto process = WorkerProcess::Start(*arguments);
  if (!process.ok()) return FinishWorker(nullptr, process.status());
  return FinishWorker(&(*process)->control(), body(**process));
}

}  // namespace millrace
