// The reader worker: posts a dataset's samples into the sample stream, where actors would post what
// they simulate.
#pragma once

#include "absl/status/status.h"
#include "millrace/registry/registry.h"
#include "workers/common/worker_process.h"

namespace millrace {

// Answers credits with the samples that they name, until the run drains. kFailedPrecondition if the
// dataset has samples that are not as its spec says.
absl::Status RunReaderWorker(WorkerProcess& process, const Registry& registry);

}  // namespace millrace
