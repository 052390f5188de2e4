// eval and play: frozen policies. Built-in models run here, a user's own in millrace-torch.
#include "cli/common/evaluate_command.h"
#include "cli/common/exit_code.h"
#include "cli/common/load_plugins.h"
#include "cli/millrace/commands.h"
#include "cli/millrace/programs.h"
#include "cli/millrace/run_directory.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

using Body = absl::Status (*)(const EvalArguments&, const ExperimentConfig&, const RunPaths&,
                              const Registry&, const InferenceModelFactory&);

absl::Status Run(const char* command, const EvalArguments& arguments, Body body) {
  MILLRACE_ASSIGN_OR_RETURN(const RunPaths paths, FindRunDirectory(arguments.run));
  MILLRACE_ASSIGN_OR_RETURN(const ExperimentConfig config, LoadExperiment(paths.config()));
  if (!HasNativeModels(config)) {
    std::vector<std::string> forwarded = {command,        paths.root().string(),
                                          "--checkpoint", arguments.checkpoint,
                                          "--episodes",   std::to_string(arguments.episodes),
                                          "--seed",       std::to_string(arguments.seed)};
    if (arguments.sample) forwarded.push_back("--sample");
    if (!arguments.json.empty()) forwarded.insert(forwarded.end(), {"--json", arguments.json});
    return ExecTorch(forwarded);
  }
  Registry registry = BuiltinRegistry();
  MILLRACE_RETURN_IF_ERROR(LoadPlugins(config, registry));
  return body(arguments, config, paths, registry, MakeNativeInferenceModel);
}

}  // namespace

void AddEvalCommand(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "eval", "Plays episodes with a frozen policy and prints their statistics as JSON.");
  auto arguments = std::make_shared<EvalArguments>();
  command->add_option("run", arguments->run, "run directory, or its name below runs/")->required();
  command->add_option("--episodes", arguments->episodes, "how many")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--checkpoint", arguments->checkpoint, "latest, or a train step")
      ->capture_default_str();
  command->add_flag("--sample", arguments->sample,
                    "draw actions instead of taking the most likely ones");
  command->add_option("--seed", arguments->seed, "of the episodes")->capture_default_str();
  command->add_option("--json", arguments->json, "also write the result to this file");
  command->footer("Example: millrace eval runs/cartpole-ppo --episodes 100");
  command->callback([arguments, &exit_code] {
    const absl::Status status = Run("eval", *arguments, RunEval);
    exit_code = status.ok() ? kExitOk : Fail(status);
  });
}

void AddPlayCommand(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("play", "Shows one episode as text.");
  auto arguments = std::make_shared<EvalArguments>();
  command->add_option("run", arguments->run, "run directory, or its name below runs/")->required();
  command->add_option("--checkpoint", arguments->checkpoint, "latest, or a train step")
      ->capture_default_str();
  command->add_flag("--sample", arguments->sample,
                    "draw actions instead of taking the most likely ones");
  command->add_option("--seed", arguments->seed, "of the episode")->capture_default_str();
  command->footer("Example: millrace play runs/cartpole-ppo");
  command->callback([arguments, &exit_code] {
    const absl::Status status = Run("play", *arguments, RunPlay);
    exit_code = status.ok() ? kExitOk : Fail(status);
  });
}

}  // namespace millrace
