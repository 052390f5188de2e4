// millrace-store: parameter servers. Links no LibTorch.
#include "cli/common/worker_main.h"
#include "workers/parameter_server/parameter_server_worker.h"

int main(int argc, char** argv) {
  return millrace::RunWorkerMain(argc, argv, millrace::RunParameterServerWorker);
}
