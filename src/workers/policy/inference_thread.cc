#include "workers/policy/inference_thread.h"

#include <utility>

#include "core/thread_name.h"
#include "millrace/core/status.h"

namespace millrace {

absl::StatusOr<std::unique_ptr<InferenceThread>> InferenceThread::Start(
    WorkerProcess& process, StreamContext context, const PolicyAgents& agents,
    const PolicyContract& contract, const InferenceModelFactory& make_model, Ledger* ledger) {
  std::unique_ptr<InferenceThread> thread(new InferenceThread());
  if (process.arguments().shared_memory) {
    const auto path = process.paths().bell("trainer-inference", process.arguments().index);
    MILLRACE_ASSIGN_OR_RETURN(thread->bell_file_, MappedFile::OpenOrCreate(path, sizeof(Doorbell)));
    context.bell_path = path;
  }
  context.bell = &thread->bell();
  const ExperimentConfig& config = process.config();
  MILLRACE_ASSIGN_OR_RETURN(
      thread->service_,
      PolicyService::Create(PolicyServiceOptions::From(config, process.paths()), context, context,
                            config, {agents}, {contract}, make_model, ledger));
  thread->thread_ =
      std::jthread([self = thread.get(), spin = std::chrono::microseconds(config.spin_us)](
                       const std::stop_token& stop) { self->Serve(stop, spin); });
  return thread;
}

InferenceThread::~InferenceThread() {
  thread_.request_stop();
  bell().Ring();
}

absl::Status InferenceThread::status() const {
  MutexLock lock(mutex_);
  return status_;
}

void InferenceThread::Serve(const std::stop_token& stop, std::chrono::microseconds spin_limit) {
  SetThreadName("inference");
  AdaptiveSpin spin(spin_limit);
  const absl::Status ended = service_->Serve(
      bell(), [&](uint32_t seen, Deadline deadline) { spin.Wait(bell(), seen, deadline); },
      [&]() -> absl::StatusOr<bool> { return !stop.stop_requested(); });
  MutexLock lock(mutex_);
  status_ = ended;
}

}  // namespace millrace
