// What a shared library exports for Millrace, read from the file: loading a library runs its static
// initialisers, and its record must be checked before any C++ of it runs.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "millrace/registry/plugin.h"

namespace millrace {

struct PluginExports {
  std::optional<millrace_abi_record> abi;
  bool registers = false;        // MillraceRegister
  bool registers_torch = false;  // MillraceRegisterTorch
};

// kInvalidArgument if the file is missing or is no 64-bit ELF shared library.
absl::StatusOr<PluginExports> ReadPluginExports(const std::string& path);

}  // namespace millrace
