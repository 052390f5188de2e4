// millrace-actor: actor workers. Links no LibTorch, so that a hundred of them fit on one host.
#include "cli/common/load_plugins.h"
#include "cli/common/worker_main.h"
#include "millrace/registry/registry.h"
#include "workers/actor/actor_worker.h"

int main(int argc, char** argv) {
  return millrace::RunWorkerMain(argc, argv, [](millrace::WorkerProcess& process) -> absl::Status {
    millrace::Registry registry = millrace::BuiltinRegistry();
    MILLRACE_RETURN_IF_ERROR(millrace::LoadPlugins(process.config(), registry));
    return millrace::RunActorWorker(process, registry, millrace::MakeNativeInferenceModel);
  });
}
