#include <atomic>
#include <thread>
#include <utility>

#include "core/thread_name.h"
#include "millrace/core/status.h"
#include "streams/shm/weight_factory.h"
#include "streams/shm/weight_fence.h"
#include "streams/shm/weight_file.h"
#include "streams/weight_blob.h"

namespace millrace {
namespace {

// Reads the host's file. Its thread waits for the file's doorbell and rings the owner's.
class ShmWeightReader final : public WeightReader {
 public:
  ShmWeightReader(WeightSpec spec, std::unique_ptr<WeightFile> file, Doorbell* bell)
      : spec_(std::move(spec)), file_(std::move(file)) {
    if (bell == nullptr) return;
    thread_ = std::jthread([this, bell](const std::stop_token& stop) { Forward(stop, *bell); });
  }
  ~ShmWeightReader() override {
    thread_.request_stop();
    file_->bell().Ring();
  }
  WeightVersion Available() const override { return file_->newest(); }
  absl::StatusOr<WeightVersion> Read(std::span<std::byte> blob) override {
    MILLRACE_RETURN_IF_ERROR(CheckBlobSize(spec_, blob.size()));
    return file_->Read(blob);
  }

 private:
  void Forward(const std::stop_token& stop, Doorbell& bell) {
    SetThreadName("weight-reader");
    WeightVersion announced;
    while (!stop.stop_requested()) {
      const uint32_t seen = file_->bell().Value();
      if (const WeightVersion newest = file_->newest(); newest > announced) {
        announced = newest;
        bell.Ring();
      }
      if (stop.stop_requested()) return;
      file_->bell().Wait(seen, After(std::chrono::seconds(1)));
    }
  }

  const WeightSpec spec_;
  const std::unique_ptr<WeightFile> file_;
  std::jthread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WeightReader>> MakeShmWeightReader(const StreamContext& context,
                                                                  const WeightSpec& spec) {
  MILLRACE_ASSIGN_OR_RETURN(
      auto file, WeightFile::OpenOrCreate(HostWeights(context.shm_directory, spec.policy), spec));
  return std::make_unique<ShmWeightReader>(spec, std::move(file), context.bell);
}

}  // namespace millrace
