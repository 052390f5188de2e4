#include "streams/shm/weight_fence.h"

#include "absl/strings/str_cat.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr size_t kFileBytes = 64;

}  // namespace

absl::StatusOr<std::unique_ptr<WeightFence>> WeightFence::Open(
    const std::filesystem::path& directory, const std::string& policy) {
  MILLRACE_ASSIGN_OR_RETURN(
      auto file,
      MappedFile::OpenOrCreate(directory / absl::StrCat("weight-", policy, ".fence"), kFileBytes));
  return std::unique_ptr<WeightFence>(new WeightFence(std::move(file)));
}

uint64_t WeightFence::Raise(uint64_t epoch) {
  uint64_t before = word_->load();
  while (before < epoch && !word_->compare_exchange_weak(before, epoch)) {
  }
  return before;
}

absl::StatusOr<std::unique_ptr<WeightBell>> WeightBell::Open(
    const std::filesystem::path& directory) {
  MILLRACE_ASSIGN_OR_RETURN(auto file,
                            MappedFile::OpenOrCreate(directory / "weight.bell", kFileBytes));
  return std::unique_ptr<WeightBell>(new WeightBell(std::move(file)));
}

std::filesystem::path TrainerWeights(const std::filesystem::path& directory,
                                     const std::string& policy, uint64_t epoch) {
  return directory / absl::StrCat("weight-", policy, ".", epoch, ".trainer");
}

std::filesystem::path HostWeights(const std::filesystem::path& directory,
                                  const std::string& policy) {
  return directory / absl::StrCat("weight-", policy, ".host");
}

}  // namespace millrace
