// The end of a worker that posts samples.
#pragma once

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "workers/common/worker_process.h"

namespace millrace {

// What was committed is waited for, so that it is counted by the consumer and not lost with this
// process. `unacknowledged`: how many segments are not disposed of.
template <typename Unacknowledged>
void AwaitAcknowledged(WorkerProcess& process, double share, Unacknowledged unacknowledged) {
  constexpr auto kRound = std::chrono::milliseconds(100);
  const Deadline deadline = DrainDeadline(process.config(), share);
  while (unacknowledged() > 0 && !Expired(deadline) && process.command() < WorkerCommand::kExit) {
    const uint32_t seen = process.bell().Value();
    if (unacknowledged() == 0) break;
    process.bell().Wait(seen, std::min(deadline, After(kRound)));
  }
  if (const int left = unacknowledged(); left > 0) {
    spdlog::warn("left with {} unacknowledged segments", left);
  }
}

}  // namespace millrace
