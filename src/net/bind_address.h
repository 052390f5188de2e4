// Where listeners may bind.
#pragma once

#include <spdlog/fmt/fmt.h>

#include <string_view>

#include "absl/status/status.h"

namespace millrace {

// Streams carry no authentication, so they listen on the loopback interface and nowhere else.
// kInvalidArgument for any other host.
inline absl::Status CheckLoopback(std::string_view host) {
  if (host.starts_with("127.")) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("streams may listen on 127.0.0.0/8 only, got \"{}\"", host));
}

}  // namespace millrace
