// validate, list and env: what a file means and what there is.
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/common/exit_code.h"
#include "cli/millrace/check_experiment.h"
#include "cli/millrace/commands.h"
#include "cli/millrace/programs.h"
#include "env/env_cli.h"
#include "launcher/process_usage.h"
#include "millrace/core/status.h"
#include "registry/plugin_loader.h"

namespace millrace {
namespace {

absl::StatusOr<int> Validate(const std::string& file, const std::vector<std::string>& set,
                             const std::string& runs) {
  MILLRACE_ASSIGN_OR_RETURN(const auto overrides, ParseOverrides(set));
  MILLRACE_ASSIGN_OR_RETURN(ExperimentConfig config, LoadExperiment(file, overrides));
  MILLRACE_RETURN_IF_ERROR(ResolveInitialWeights(runs, config));
  Registry registry = BuiltinRegistry();
  MILLRACE_RETURN_IF_ERROR(CheckWithoutTorch(config, registry));
  MILLRACE_ASSIGN_OR_RETURN(const int code, CheckWithTorch(file, set));
  if (code == 0) std::printf("%s: ok\n", file.c_str());
  return code;
}

struct EnvironmentArguments {
  std::string name;
  std::vector<std::string> set, plugins;
  double seconds = 3;
  int environments = 64;
  int groups = 1;
  std::string actions = "uniform";
  std::vector<std::string> hold;  // COMPONENT=CHOICE
  std::string json;
};

absl::StatusOr<Options> ToOptions(const std::vector<std::string>& set) {
  MILLRACE_ASSIGN_OR_RETURN(const auto overrides, ParseOverrides(set));
  return ParseOptions(overrides);
}

absl::StatusOr<BenchActions> ToActions(const EnvironmentArguments& arguments) {
  BenchActions actions;
  if (arguments.actions == "normal") actions.reals = RandomReals::kNormal;
  for (const std::string& text : arguments.hold) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
    if (!absl::SimpleAtoi(parts.second, &actions.held[parts.first])) {
      return absl::InvalidArgumentError(
          absl::StrCat("--hold: expected COMPONENT=CHOICE, got \"", text, "\""));
    }
  }
  return actions;
}

absl::StatusOr<Registry> RegistryWith(const std::vector<std::string>& plugins) {
  Registry registry = BuiltinRegistry();
  for (const std::string& plugin : plugins) MILLRACE_RETURN_IF_ERROR(LoadPlugin(plugin, registry));
  return registry;
}

absl::Status ListRegistered(const std::string& what, const std::vector<std::string>& plugins) {
  if (what == "transports") {
    std::printf(
        "%-22s %s\n%-22s %s\n%-22s %s\n%-22s %s\n", "auto", "the fastest that links two workers",
        "shm", "shared memory inside a host: inference, sample and weight streams", "zmq",
        "ZeroMQ over TCP: inference and sample streams", "grpc", "gRPC over TCP: weight streams");
    return absl::OkStatus();
  }
  if (what != "environments" && what != "datasets") {
    std::vector<std::string> arguments = {"list", what};
    for (const std::string& plugin : plugins) {
      arguments.insert(arguments.end(), {"--plugin", plugin});
    }
    return ExecTorch(arguments);
  }
  MILLRACE_ASSIGN_OR_RETURN(const Registry registry, RegistryWith(plugins));
  for (const auto& entry : what == "datasets" ? registry.datasets() : registry.environments()) {
    std::printf("%-22s %s\n", entry.name.c_str(), entry.line.c_str());
  }
  return absl::OkStatus();
}

absl::Status StepEnvironment(const EnvironmentArguments& arguments) {
  MILLRACE_ASSIGN_OR_RETURN(const Registry registry, RegistryWith(arguments.plugins));
  MILLRACE_ASSIGN_OR_RETURN(const Options options, ToOptions(arguments.set));
  MILLRACE_ASSIGN_OR_RETURN(const auto environment,
                            registry.MakeEnvironment(arguments.name, options));
  RunEnvStep(*environment, std::cin, std::cout);
  return absl::OkStatus();
}

absl::Status BenchmarkEnvironment(const EnvironmentArguments& arguments) {
  MILLRACE_ASSIGN_OR_RETURN(const Registry registry, RegistryWith(arguments.plugins));
  MILLRACE_ASSIGN_OR_RETURN(const Options options, ToOptions(arguments.set));
  MILLRACE_ASSIGN_OR_RETURN(const BenchActions actions, ToActions(arguments));
  // Libraries, and what a type keeps once for all, are not an environment's memory.
  std::vector<std::unique_ptr<VectorEnvironment>> first;
  MILLRACE_ASSIGN_OR_RETURN(first.emplace_back(),
                            registry.MakeVectorEnvironment(arguments.name, options, 1));
  MILLRACE_RETURN_IF_ERROR(BenchEnvironment(first, std::chrono::milliseconds(1), actions).status());
  const uint64_t bytes_before = ReadProcessUsage(::getpid()).rss_bytes;
  std::vector<std::unique_ptr<VectorEnvironment>> groups;
  for (int g = 0; g < arguments.groups; ++g) {
    MILLRACE_ASSIGN_OR_RETURN(
        groups.emplace_back(),
        registry.MakeVectorEnvironment(arguments.name, options, arguments.environments));
  }
  MILLRACE_ASSIGN_OR_RETURN(
      const EnvBenchResult result,
      BenchEnvironment(groups, std::chrono::duration<double>(arguments.seconds), actions));
  const double bytes_each =
      static_cast<double>(ReadProcessUsage(::getpid()).rss_bytes - bytes_before) /
      (arguments.groups * arguments.environments);
  const std::string name = "env/" + arguments.name + "/steps_per_second";
  const nlohmann::json rows = {{{"name", name},
                                {"unit", "environment steps/s"},
                                {"value", result.steps_per_second()},
                                {"baseline", nullptr},
                                {"baseline_value", nullptr},
                                {"ratio", nullptr},
                                {"samples", 1}}};
  if (arguments.json == "-") {
    std::printf("%s\n", rows.dump().c_str());
    return absl::OkStatus();
  }
  std::printf(
      "%s: %.0f environment steps/s, %.0f agent steps/s (one thread, %d x %d environments, %s "
      "random actions); %.2f MB an environment\n",
      arguments.name.c_str(), result.steps_per_second(),
      static_cast<double>(result.agent_steps) / result.seconds, arguments.groups,
      arguments.environments, arguments.actions.c_str(), bytes_each / 1e6);
  if (!arguments.json.empty()) {
    std::ofstream file(arguments.json);
    file << rows.dump(2) << "\n";
    if (!file) return absl::ResourceExhaustedError("cannot write " + arguments.json);
  }
  return absl::OkStatus();
}

int Finish(const absl::StatusOr<int>& code) { return code.ok() ? *code : Fail(code.status()); }
int Finish(const absl::Status& status) { return status.ok() ? kExitOk : Fail(status); }

void AddEnvironmentOptions(CLI::App* command, EnvironmentArguments& arguments) {
  command->add_option("environment", arguments.name, "a name of `millrace list environments`")
      ->required();
  command->add_option("--set", arguments.set, "an option of the environment: KEY=VALUE")
      ->allow_extra_args(false);
  command->add_option("--plugin", arguments.plugins, "shared library with environments");
}

}  // namespace

void AddValidateCommand(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "validate", "Checks an experiment file against schema, registry and plug-ins.");
  auto file = std::make_shared<std::string>();
  auto set = std::make_shared<std::vector<std::string>>();
  command->add_option("file", *file, "experiment (YAML)")->required();
  command->add_option("--set", *set, "override a value: a.b=c")->allow_extra_args(false);
  auto runs = std::make_shared<std::string>("runs");
  command->add_option("--runs-dir", *runs, "where the runs of init_from lie")
      ->capture_default_str();
  command->footer("Example: millrace validate configs/cartpole_ppo.yaml");
  command->callback(
      [file, set, runs, &exit_code] { exit_code = Finish(Validate(*file, *set, *runs)); });
}

void AddListCommand(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("list", "Shows what an experiment can be made of.");
  auto what = std::make_shared<std::string>();
  command
      ->add_option("what", *what,
                   "environments, datasets, algorithms, models, backends or transports")
      ->required()
      ->check(CLI::IsMember(
          {"environments", "datasets", "algorithms", "models", "backends", "transports"}));
  auto plugins = std::make_shared<std::vector<std::string>>();
  command->add_option("--plugin", *plugins, "also what this shared library registers");
  command->footer("Example: millrace list environments");
  command->callback(
      [what, plugins, &exit_code] { exit_code = Finish(ListRegistered(*what, *plugins)); });
}

void AddEnvCommand(CLI::App& app, int& exit_code) {
  auto* env = app.add_subcommand("env", "Steps or times one environment.");
  env->require_subcommand(1);
  auto arguments = std::make_shared<EnvironmentArguments>();
  auto* step = env->add_subcommand(
      "step", "Answers JSON lines on standard input (docs/writing_an_environment.md).");
  AddEnvironmentOptions(step, *arguments);
  step->footer("Example: echo '{\"reset\": {\"seed\": 7}}' | millrace env step cartpole");
  step->callback([arguments, &exit_code] { exit_code = Finish(StepEnvironment(*arguments)); });
  auto* bench = env->add_subcommand(
      "bench", "Pure stepping rate with random actions: the roof for that environment here.");
  AddEnvironmentOptions(bench, *arguments);
  bench->add_option("--seconds", arguments->seconds, "how long to measure")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  bench->add_option("--environments", arguments->environments, "per group")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  bench->add_option("--groups", arguments->groups, "stepped in turn")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  bench
      ->add_option("--actions", arguments->actions,
                   "reals of boxes: uniform, or normal as a policy with fresh weights acts")
      ->check(CLI::IsMember({"uniform", "normal"}))
      ->capture_default_str();
  bench
      ->add_option("--hold", arguments->hold,
                   "a discrete component of every action that is not random: COMPONENT=CHOICE")
      ->allow_extra_args(false);
  bench->add_option("--json", arguments->json,
                    "write the result to this file; - for JSON alone on standard output");
  bench->footer("Example: millrace env bench cartpole --seconds 3");
  bench->callback(
      [arguments, &exit_code] { exit_code = Finish(BenchmarkEnvironment(*arguments)); });
}

}  // namespace millrace
