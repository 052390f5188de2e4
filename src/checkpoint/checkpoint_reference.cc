#include "checkpoint/checkpoint_reference.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace millrace {

absl::StatusOr<CheckpointReference> CheckpointReference::Parse(const std::string& text) {
  const size_t at = text.rfind('@');
  if (at == std::string::npos) return CheckpointReference{.run = text, .step = std::nullopt};
  uint64_t step = 0;
  if (!absl::SimpleAtoi(text.substr(at + 1), &step)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected RUN or RUN@STEP, where STEP is a number of training steps, got \"", text, "\""));
  }
  return CheckpointReference{.run = text.substr(0, at), .step = step};
}

}  // namespace millrace
