// A checkpoint of another run, as experiments name it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace millrace {

// RUN[@STEP]: the newest checkpoint, or the one of STEP training steps. Value type.
struct CheckpointReference {
  std::string run;
  std::optional<uint64_t> step;

  // kInvalidArgument if STEP is no number.
  static absl::StatusOr<CheckpointReference> Parse(const std::string& text);
};

}  // namespace millrace
