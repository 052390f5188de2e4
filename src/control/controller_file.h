// RUN/controller.json: how to reach the controller of a run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millrace {

struct ControllerAddress {
  std::string address;  // "127.0.0.1:PORT"
  std::string token;    // 64 hexadecimal digits; a secret, so the file has mode 0600
  int32_t pid = 0;
  uint64_t epoch = 0;  // counts the controllers of this run directory, from 1
  bool operator==(const ControllerAddress&) const = default;
};

// Atomic: a reader sees the old file or the new one.
absl::Status WriteControllerFile(const std::filesystem::path& run_directory,
                                 const ControllerAddress& address);
// kNotFound: no file yet; kDataLoss: it is not what WriteControllerFile writes.
absl::StatusOr<ControllerAddress> ReadControllerFile(const std::filesystem::path& run_directory);

// 256 random bits from the kernel as 64 hexadecimal digits.
absl::StatusOr<std::string> NewToken();
// In constant time: the duration says nothing about where they differ.
bool SameToken(std::string_view a, std::string_view b);

}  // namespace millrace
