// The experiment's plug-ins, for processes without LibTorch.
#pragma once

#include "absl/status/status.h"
#include "config/experiment.h"
#include "millrace/core/status.h"
#include "registry/plugin_loader.h"

namespace millrace {

inline absl::Status LoadPlugins(const ExperimentConfig& config, Registry& registry) {
  for (const std::string& path : config.plugins) {
    MILLRACE_RETURN_IF_ERROR(LoadPlugin(path, registry, config.Subject("plugins")));
  }
  return registry.status();
}

}  // namespace millrace
