#include "cli/millrace/check_experiment.h"

#include <spdlog/fmt/fmt.h>

#include "cli/common/load_plugins.h"
#include "cli/millrace/torch_process.h"
#include "millrace/core/status.h"
#include "workers/common/agent_assignment.h"

namespace millrace {

absl::Status CheckWithoutTorch(const ExperimentConfig& config, Registry& registry) {
  MILLRACE_RETURN_IF_ERROR(LoadPlugins(config, registry));
  MILLRACE_ASSIGN_OR_RETURN(const auto environment,
                            registry.MakeEnvironment(config.environment.type,
                                                     config.environment.options,
                                                     config.environment.where));
  return AssignAgents(environment->spec(), config).status();
}

absl::StatusOr<int> CheckWithTorch(const std::string& file, const std::vector<std::string>& overrides) {
  std::vector<std::string> arguments = {"validate", file};
  for (const std::string& set : overrides) arguments.insert(arguments.end(), {"--set", set});
  return RunTorch(arguments);
}

absl::StatusOr<std::vector<Override>> ParseOverrides(const std::vector<std::string>& set) {
  std::vector<Override> overrides;
  for (const std::string& text : set) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          fmt::format("--set: expected KEY=VALUE, for example algorithm.clip=0.1, got \"{}\"", text));
    }
    overrides.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  return overrides;
}

}  // namespace millrace
