// Hands a command over to millrace-torch, when it needs LibTorch.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millrace {

// Replaces this process by `millrace-torch ARGUMENTS`; returns only if that fails.
absl::Status ExecTorch(const std::vector<std::string>& arguments);

// Runs `millrace-torch ARGUMENTS` and waits; its standard error stays ours. Returns its exit code.
absl::StatusOr<int> RunTorch(const std::vector<std::string>& arguments);

}  // namespace millrace
