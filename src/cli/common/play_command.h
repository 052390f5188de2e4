// `play`, shared by millrace (built-in models) and millrace-torch (a user's own).
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/common/evaluate_command.h"
#include "config/experiment.h"
#include "core/run_paths.h"
#include "millrace/registry/registry.h"
#include "report/picture/film.h"
#include "workers/policy/policy_service.h"

namespace millrace {

struct PlayArguments : FrozenPolicyArguments {
  std::string video;          // a file; empty: text
  std::string view = "flat";  // of the film; or 3d
  FilmOptions film;           // its frames a second also pace maps in a terminal
};

void AddOptions(CLI::App& command, PlayArguments& arguments);
// The command line that says the same.
std::vector<std::string> CommandLine(const PlayArguments& arguments);

// Shows one episode: a film in arguments.video or, as text, the environment's map of characters or
// a line a step. kNotFound if there is no such run or checkpoint, kFailedPrecondition if there is
// to be a film and the environment does not draw (view 3d: render) itself, otherwise as OpenFilm
// and Film.
absl::Status RunPlay(const PlayArguments& arguments, const ExperimentConfig& config,
                     const RunPaths& paths, const Registry& registry,
                     const InferenceModelFactory& make_model);

}  // namespace millrace
