// The sub-commands of `millrace`. Each adds itself to the command line; the chosen one's
// `exit_code` is returned.
#pragma once

#include <CLI/CLI.hpp>

namespace millrace {

void AddRunCommand(CLI::App& app, int& exit_code);
void AddResumeCommand(CLI::App& app, int& exit_code);
void AddControllerCommand(CLI::App& app, int& exit_code);  // internal: started by run and resume
void AddStreamEndCommand(CLI::App& app, int& exit_code);
void AddTuneCommand(CLI::App& app, int& exit_code);
void AddPlanCommand(CLI::App& app, int& exit_code);
void AddValidateCommand(CLI::App& app, int& exit_code);
void AddListCommand(CLI::App& app, int& exit_code);
void AddEnvCommand(CLI::App& app, int& exit_code);
void AddEvalCommand(CLI::App& app, int& exit_code);
void AddLeagueCommand(CLI::App& app, int& exit_code);
void AddPlayCommand(CLI::App& app, int& exit_code);
void AddBenchCommand(CLI::App& app, int& exit_code);
void AddStatusCommand(CLI::App& app, int& exit_code);
void AddStopCommand(CLI::App& app, int& exit_code);
void AddLogsCommand(CLI::App& app, int& exit_code);
void AddPlotCommand(CLI::App& app, int& exit_code);

}  // namespace millrace
