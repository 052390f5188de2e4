// One version of a policy's parameters in memory: immutable once made, so threads share it by
// pointer.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "streams/weight_stream.h"

namespace millrace {

struct WeightBlob {
  WeightVersion version;
  std::vector<std::byte> bytes;
};
using WeightBlobPtr = std::shared_ptr<const WeightBlob>;

inline WeightBlobPtr CopyBlob(WeightVersion version, std::span<const std::byte> bytes) {
  return std::make_shared<const WeightBlob>(
      WeightBlob{version, std::vector<std::byte>(bytes.begin(), bytes.end())});
}

inline absl::Status CheckBlobSize(const WeightSpec& spec, size_t bytes) {
  if (bytes == spec.bytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("weights of policy ", spec.policy, ": expected ",
                                                 spec.bytes, " bytes, got ", bytes));
}

inline absl::Status FencedError(const WeightSpec& spec, WeightVersion version, uint64_t newest) {
  return absl::FailedPreconditionError(
      absl::StrCat("weights of policy ", spec.policy, ": epoch ", newest,
                   " has published, this trainer is of epoch ", version.epoch));
}

}  // namespace millrace
