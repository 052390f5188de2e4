// eval, play and league: frozen policies. Built-in models run here, a user's own in millrace-torch.
// plan: tables of a model, there.
#include "cli/common/evaluate_command.h"
#include "cli/common/exit_code.h"
#include "cli/common/league_command.h"
#include "cli/common/load_plugins.h"
#include "cli/common/plan_arguments.h"
#include "cli/common/play_command.h"
#include "cli/millrace/commands.h"
#include "cli/millrace/programs.h"
#include "cli/millrace/run_directory.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

template <typename Arguments>
using Body = absl::Status (*)(const Arguments&, const ExperimentConfig&, const RunPaths&,
                              const Registry&, const InferenceModelFactory&);

template <typename Arguments>
absl::Status Run(Arguments arguments, Body<Arguments> body) {
  MILLRACE_ASSIGN_OR_RETURN(const RunPaths paths, FindRunDirectory(arguments.run));
  arguments.run = paths.root().string();
  MILLRACE_ASSIGN_OR_RETURN(const ExperimentConfig config, LoadExperiment(paths.config()));
  if (config.reads_dataset() || !HasNativeModels(config)) return ExecTorch(CommandLine(arguments));
  Registry registry = BuiltinRegistry();
  MILLRACE_RETURN_IF_ERROR(LoadPlugins(config, registry));
  return body(arguments, config, paths, registry, MakeNativeInferenceModel);
}

template <typename Arguments>
void AddCommand(CLI::App* command, Body<Arguments> body, int& exit_code) {
  auto arguments = std::make_shared<Arguments>();
  AddOptions(*command, *arguments);
  command->callback([arguments, body, &exit_code] {
    const absl::Status status = Run(*arguments, body);
    exit_code = status.ok() ? kExitOk : Fail(status);
  });
}

}  // namespace

void AddEvalCommand(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "eval",
      "Plays episodes with a frozen policy, or scores held-out samples of a dataset, and prints "
      "statistics as JSON.");
  command->footer("Example: millrace eval runs/cartpole-ppo --episodes 100");
  AddCommand<EvalArguments>(command, RunEval, exit_code);
}

void AddPlayCommand(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("play", "Shows one episode as text, or makes a film of it.");
  command->footer(
      "Example: millrace play runs/cartpole-ppo\n"
      "         millrace play runs/cartpole-ppo --video episode.svg");
  AddCommand<PlayArguments>(command, RunPlay, exit_code);
}

void AddLeagueCommand(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "league", "Lets past versions of a run play against one another: ratings and win rates.");
  command->footer("Example: millrace league runs/hide-and-seek --players 6 --episodes 100");
  AddCommand<LeagueArguments>(command, RunLeague, exit_code);
}

void AddPlanCommand(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "plan", "Shows which trainer has which embedding tables, and how long a step takes.");
  command->footer(
      "Costs are measured on this machine, or are those of the file's `hardware`.\n"
      "Example: millrace plan configs/dlrm_12t.yaml\n"
      "         millrace plan configs/teacher_clicks.yaml --trainers 2 --measure 20");
  auto arguments = std::make_shared<PlanArguments>();
  AddOptions(*command, *arguments);
  command->callback([arguments, &exit_code] {
    const absl::Status status = ExecTorch(CommandLine(*arguments));
    exit_code = status.ok() ? kExitOk : Fail(status);
  });
}

}  // namespace millrace
