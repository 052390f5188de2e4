// Inference beside training in one process (`workers.actor.inference: trainer`), as in SEED
// (Espeholt et al. 2020, arXiv:1910.06591).
#pragma once

#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/doorbell.h"
#include "core/mapped_file.h"
#include "core/mutex.h"
#include "workers/common/worker_process.h"
#include "workers/policy/policy_service.h"

namespace millrace {

// Answers one policy's requests on a thread and at a doorbell of its own until destroyed.
// Thread-safe.
class InferenceThread {
 public:
  // `process` and `ledger` outlive it; `context` is the trainer's.
  static absl::StatusOr<std::unique_ptr<InferenceThread>> Start(
      WorkerProcess& process, StreamContext context, const PolicyAgents& agents,
      const PolicyContract& contract, const InferenceModelFactory& make_model, Ledger* ledger);
  ~InferenceThread();

  // Why it has ended of itself; OK while it runs.
  absl::Status status() const;

 private:
  InferenceThread() = default;
  void Serve(const std::stop_token& stop, std::chrono::microseconds spin);
  Doorbell& bell() { return bell_file_ != nullptr ? *bell_file_->At<Doorbell>(0) : private_bell_; }

  Doorbell private_bell_;
  std::unique_ptr<MappedFile> bell_file_;  // null without shared memory
  std::unique_ptr<PolicyService> service_;
  mutable Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::jthread thread_;
};

}  // namespace millrace
