// Loading the experiment's `plugins:` in a process that has LibTorch.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "millrace/registry/torch_registry.h"

namespace millrace {

// As LoadPlugin, but lets the plug-in register everything: environments, then models, algorithms
// and backends. A plug-in with LibTorch code must have been built for this LibTorch.
absl::Status LoadTorchPlugin(const std::string& path, TorchRegistry& registry,
                             const std::string& where = "");

}  // namespace millrace
