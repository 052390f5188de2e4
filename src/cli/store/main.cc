// millrace-store: parameter servers, and readers of datasets. Links no LibTorch.
#include "cli/common/load_plugins.h"
#include "cli/common/worker_main.h"
#include "millrace/registry/registry.h"
#include "workers/parameter_server/parameter_server_worker.h"
#include "workers/reader/reader_worker.h"

int main(int argc, char** argv) {
  return millrace::RunWorkerMain(argc, argv, [](millrace::WorkerProcess& process) -> absl::Status {
    if (process.arguments().role != "reader") return millrace::RunParameterServerWorker(process);
    millrace::Registry registry = millrace::BuiltinRegistry();
    MILLRACE_RETURN_IF_ERROR(millrace::LoadPlugins(process.config(), registry));
    return millrace::RunReaderWorker(process, registry);
  });
}
