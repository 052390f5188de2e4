// `league`, shared by millrace (built-in models) and millrace-torch (a user's own).
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "config/experiment.h"
#include "core/run_paths.h"
#include "millrace/registry/registry.h"
#include "workers/evaluation/league_table.h"

namespace millrace {

struct LeagueArguments {
  std::string run;
  LeagueOptions league;
  std::string json;  // file; empty for none
};

void AddOptions(CLI::App& command, LeagueArguments& arguments);
// The command line that says the same.
std::vector<std::string> CommandLine(const LeagueArguments& arguments);

// Plays, prints the ratings and the table of points; the status is PlayLeague's.
absl::Status RunLeague(const LeagueArguments& arguments, const ExperimentConfig& config,
                       const RunPaths& paths, const Registry& registry,
                       const InferenceModelFactory& make_model);

}  // namespace millrace
