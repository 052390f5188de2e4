#include "cli/common/exit_code.h"

#include <cstdio>
#include <string>

namespace millrace {

int ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kCancelled:
      return kExitOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kNotFound:
      return kExitUserMustEdit;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
      return kExitResourceMissing;
    default:
      return kExitInternal;
  }
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "millrace: %s\n", std::string(status.message()).c_str());
  return ExitCodeOf(status);
}

}  // namespace millrace
