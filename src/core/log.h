// Logging set-up. Code logs through spdlog directly: spdlog::info("...").
#pragma once

#include <filesystem>
#include <string>

#include "absl/status/status.h"

namespace millrace {

struct LogOptions {
  std::string name;            // shown in every line, for example "actor-0"
  std::string level = "info";  // trace, debug, info, warning, error, critical, off
  std::filesystem::path file;  // appended to; empty means standard error
};

// Installs the default logger of the process, again if there is one already. kInvalidArgument if
// the level is unknown.
absl::Status InitLogging(const LogOptions& options);

}  // namespace millrace
