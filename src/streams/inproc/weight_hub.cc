#include "streams/inproc/weight_hub.h"

#include <algorithm>
#include <map>
#include <utility>

namespace millrace {
namespace {

// The only way two ends of one process can find each other without a socket or a file. It owns
// nothing: a hub goes when its last end goes.
struct Meeting {
  Mutex mutex;
  std::map<std::pair<const NameService*, std::string>, std::weak_ptr<WeightHub>> hubs
      ABSL_GUARDED_BY(mutex);
};

Meeting& TheMeeting() {
  static Meeting meeting;
  return meeting;
}

}  // namespace

absl::StatusOr<std::shared_ptr<WeightHub>> WeightHub::Join(const NameService* names,
                                                           const WeightSpec& spec) {
  Meeting& meeting = TheMeeting();
  MutexLock lock(meeting.mutex);
  auto& entry = meeting.hubs[{names, spec.policy}];
  auto hub = entry.lock();
  if (hub == nullptr) {
    hub = std::make_shared<WeightHub>(spec);
    entry = hub;
  }
  if (hub->spec_.layout_hash != spec.layout_hash || hub->spec_.bytes != spec.bytes) {
    return absl::InvalidArgumentError(absl::StrCat("weights of policy ", spec.policy,
                                                   " are in use with another parameter layout"));
  }
  return hub;
}

absl::Status WeightHub::Publish(WeightVersion version, std::span<const std::byte> blob) {
  if (absl::Status status = CheckBlobSize(spec_, blob.size()); !status.ok()) return status;
  WeightBlobPtr made = CopyBlob(version, blob);
  MutexLock lock(mutex_);
  if (newest_ != nullptr && version.epoch < newest_->version.epoch) {
    return FencedError(spec_, version, newest_->version.epoch);
  }
  if (newest_ != nullptr && version <= newest_->version) return absl::OkStatus();
  newest_ = std::move(made);
  ++published_;
  for (Doorbell* bell : bells_) bell->Ring();
  return absl::OkStatus();
}

WeightBlobPtr WeightHub::newest() const {
  MutexLock lock(mutex_);
  return newest_;
}

uint64_t WeightHub::published() const {
  MutexLock lock(mutex_);
  return published_;
}

void WeightHub::AddBell(Doorbell* bell) {
  MutexLock lock(mutex_);
  bells_.push_back(bell);
  if (newest_ != nullptr) bell->Ring();
}

void WeightHub::RemoveBell(Doorbell* bell) {
  MutexLock lock(mutex_);
  if (auto found = std::find(bells_.begin(), bells_.end(), bell); found != bells_.end()) {
    bells_.erase(found);
  }
}

}  // namespace millrace
