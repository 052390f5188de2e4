// The result of a command as JSON.
#pragma once

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"

namespace millrace {

// One line on standard output and, unless `file` is empty or "-", indented in that file.
inline absl::Status PrintJson(const nlohmann::json& result, const std::string& file) {
  std::printf("%s\n", result.dump().c_str());
  if (file.empty() || file == "-") return absl::OkStatus();
  std::ofstream stream(file);
  stream << result.dump(2) << "\n";
  return stream ? absl::OkStatus() : absl::ResourceExhaustedError("cannot write " + file);
}

}  // namespace millrace
