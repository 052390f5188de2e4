// Running Millrace's other programs; commands that need LibTorch are handed over to millrace-torch.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millrace {

// Replaces this process by `millrace-torch ARGUMENTS`; returns only if that fails.
absl::Status ExecTorch(const std::vector<std::string>& arguments);

// Runs `PROGRAM ARGUMENTS` ("millrace", "millrace-torch") and waits; its output stays ours. Returns
// its exit code.
absl::StatusOr<int> RunProgram(const std::string& program,
                               const std::vector<std::string>& arguments);
absl::StatusOr<int> RunTorch(const std::vector<std::string>& arguments);

}  // namespace millrace
