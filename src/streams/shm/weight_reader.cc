#include <utility>

#include "millrace/core/status.h"
#include "streams/shm/reader_bells.h"
#include "streams/shm/weight_factory.h"
#include "streams/shm/weight_fence.h"
#include "streams/shm/weight_file.h"
#include "streams/weight_blob.h"

namespace millrace {
namespace {

// Reads the host's file, whose writer rings the owner's doorbell.
class ShmWeightReader final : public WeightReader {
 public:
  ShmWeightReader(WeightSpec spec, std::unique_ptr<WeightFile> file)
      : spec_(std::move(spec)), file_(std::move(file)) {}
  WeightVersion Available() const override { return file_->newest(); }
  absl::StatusOr<WeightVersion> Read(std::span<std::byte> blob) override {
    MILLRACE_RETURN_IF_ERROR(CheckBlobSize(spec_, blob.size()));
    return file_->Read(blob);
  }

 private:
  const WeightSpec spec_;
  const std::unique_ptr<WeightFile> file_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WeightReader>> MakeShmWeightReader(const StreamContext& context,
                                                                  const WeightSpec& spec) {
  MILLRACE_ASSIGN_OR_RETURN(
      auto file, WeightFile::OpenOrCreate(HostWeights(context.shm_directory, spec.policy), spec));
  if (!context.bell_path.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(const auto bells,
                              ReaderBells::Open(context.shm_directory, spec.policy));
    MILLRACE_RETURN_IF_ERROR(bells->Add(context.bell_path));
  }
  return std::make_unique<ShmWeightReader>(spec, std::move(file));
}

}  // namespace millrace
