#include "workers/trainer/checkpoint_writer.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "core/thread_name.h"

namespace millrace {

CheckpointWriter::CheckpointWriter(CheckpointStore store, int keep, Ledger* ledger)
    : store_(std::move(store)), keep_(keep), ledger_(ledger) {
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

CheckpointWriter::~CheckpointWriter() {
  thread_.request_stop();
  MutexLock lock(mutex_);
  changed_.NotifyAll();
}

void CheckpointWriter::Request(Encode encode) {
  MutexLock lock(mutex_);
  next_ = std::move(encode);
  changed_.NotifyAll();
}

absl::Status CheckpointWriter::Finish(Deadline deadline) {
  MutexLock lock(mutex_);
  while (next_.has_value() || busy_) {
    if (!changed_.WaitUntil(lock, deadline) && Expired(deadline)) {
      return absl::DeadlineExceededError("the checkpoint is still being written");
    }
  }
  return last_;
}

void CheckpointWriter::Run(const std::stop_token& stop) {
  SetThreadName("checkpoint");
  ActivityTimer timer(Activity::kCheckpointIdle);
  timer.PublishTo(&ledger_->activities());
  while (!stop.stop_requested()) {
    Encode encode;
    {
      MutexLock lock(mutex_);
      if (!next_.has_value()) {
        changed_.WaitUntil(lock, After(std::chrono::milliseconds(200)));
        continue;
      }
      encode = *std::exchange(next_, std::nullopt);
      busy_ = true;
    }
    const ActivityScope writing(Activity::kCheckpointWrite);
    auto checkpoint = encode();
    const absl::Status status =
        checkpoint.ok() ? store_.Write(*checkpoint, keep_) : checkpoint.status();
    if (status.ok()) {
      spdlog::info("checkpoint at train step {}", checkpoint->train_steps);
    } else {
      spdlog::error("checkpoint not written: {}", std::string(status.message()));
    }
    MutexLock lock(mutex_);
    busy_ = false;
    last_ = status;
    changed_.NotifyAll();
  }
}

}  // namespace millrace
