#include <unistd.h>

#include <utility>

#include "millrace/core/status.h"
#include "streams/shm/weight_factory.h"
#include "streams/shm/weight_fence.h"
#include "streams/shm/weight_file.h"
#include "streams/weight_blob.h"

namespace millrace {
namespace {

class ShmWeightPublisher final : public WeightPublisher {
 public:
  ShmWeightPublisher(std::filesystem::path directory, WeightSpec spec,
                     std::unique_ptr<WeightFence> fence, std::unique_ptr<WeightBell> bell)
      : directory_(std::move(directory)),
        spec_(std::move(spec)),
        fence_(std::move(fence)),
        bell_(std::move(bell)) {}

  absl::Status Publish(WeightVersion version, std::span<const std::byte> blob) override {
    MILLRACE_RETURN_IF_ERROR(CheckBlobSize(spec_, blob.size()));
    if (const uint64_t newest = fence_->epoch(); newest > version.epoch) {
      return FencedError(spec_, version, newest);
    }
    if (file_ == nullptr || epoch_ != version.epoch) {
      MILLRACE_ASSIGN_OR_RETURN(
          file_,
          WeightFile::OpenOrCreate(TrainerWeights(directory_, spec_.policy, version.epoch), spec_));
      epoch_ = version.epoch;
    }
    if (version <= file_->newest()) return absl::OkStatus();
    file_->Write(version, blob);
    // The fence rises only when the new epoch has something to show.
    const uint64_t before = fence_->Raise(version.epoch);
    if (before > version.epoch) return FencedError(spec_, version, before);
    if (before < version.epoch) {
      ::unlink(TrainerWeights(directory_, spec_.policy, before).c_str());
    }
    (**bell_).Ring();
    return absl::OkStatus();
  }

 private:
  const std::filesystem::path directory_;
  const WeightSpec spec_;
  const std::unique_ptr<WeightFence> fence_;
  const std::unique_ptr<WeightBell> bell_;
  std::unique_ptr<WeightFile> file_;  // of epoch_
  uint64_t epoch_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WeightPublisher>> MakeShmWeightPublisher(
    const StreamContext& context, const WeightSpec& spec) {
  MILLRACE_ASSIGN_OR_RETURN(auto fence, WeightFence::Open(context.shm_directory, spec.policy));
  MILLRACE_ASSIGN_OR_RETURN(auto bell, WeightBell::Open(context.shm_directory));
  return std::make_unique<ShmWeightPublisher>(context.shm_directory, spec, std::move(fence),
                                              std::move(bell));
}

}  // namespace millrace
