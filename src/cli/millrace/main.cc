// millrace: the command line, the launcher and node agent of a run (`run`), and its controller.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/common/exit_code.h"
#include "cli/millrace/commands.h"
#include "core/log.h"
#include "millrace/core/nearest_name.h"
#include "millrace/registry/plugin.h"

namespace {

// What to say if the first word is no command; empty if it is one.
std::string UnknownCommand(const CLI::App& app, int argc, char** argv) {
  const std::string word = argc > 1 ? argv[1] : "";
  if (word.empty() || word.starts_with("-")) return "";
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == word) return "";
    if (!command->get_group().empty()) names.push_back(command->get_name());
  }
  return absl::StrCat("expected a command, got \"", word, "\"", millrace::DidYouMean(word, names),
                      "; see millrace --help");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Distributed reinforcement learning: actors, policy workers, trainers and parameter "
      "servers,\n"
      "each a process of its own, from one YAML file.");
  app.set_version_flag("--version", "millrace " MILLRACE_VERSION);
  app.footer(
      "Example: millrace run configs/cartpole_ppo.yaml\n"
      "         millrace COMMAND --help");
  app.require_subcommand(1);
  int exit_code = millrace::kExitOk;
  millrace::AddRunCommand(app, exit_code);
  millrace::AddResumeCommand(app, exit_code);
  millrace::AddValidateCommand(app, exit_code);
  millrace::AddListCommand(app, exit_code);
  millrace::AddEnvCommand(app, exit_code);
  millrace::AddEvalCommand(app, exit_code);
  millrace::AddLeagueCommand(app, exit_code);
  millrace::AddPlayCommand(app, exit_code);
  millrace::AddBenchCommand(app, exit_code);
  millrace::AddTuneCommand(app, exit_code);
  millrace::AddPlanCommand(app, exit_code);
  millrace::AddStatusCommand(app, exit_code);
  millrace::AddStopCommand(app, exit_code);
  millrace::AddLogsCommand(app, exit_code);
  millrace::AddPlotCommand(app, exit_code);
  millrace::AddControllerCommand(app, exit_code);
  millrace::AddStreamEndCommand(app, exit_code);
  if (const std::string unknown = UnknownCommand(app, argc, argv); !unknown.empty()) {
    return millrace::Fail(absl::InvalidArgumentError(unknown));
  }
  // Standard output is for results; `run` and the controller log more.
  const absl::Status log =
      millrace::InitLogging({.name = "millrace", .level = "warning", .file = {}});
  if (!log.ok()) return millrace::Fail(log);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? millrace::kExitOk : millrace::kExitUserMustEdit;
  }
  return exit_code;
}
