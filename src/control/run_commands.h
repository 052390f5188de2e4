// The command line's view of a live run: `millrace status` and `millrace stop`.
#pragma once

#include <filesystem>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control.pb.h"

namespace millrace {

// Both: kNotFound if the directory has no controller.json, kUnavailable if the controller in it
// does not answer (the run is over, or the controller is being restarted).
absl::StatusOr<control::StatusReply> GetRunStatus(const std::filesystem::path& run_directory);
absl::Status SendRunCommand(const std::filesystem::path& run_directory,
                            control::CommandRequest::Kind command);

}  // namespace millrace
