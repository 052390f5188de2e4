#include "cli/common/league_command.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "millrace/core/status.h"

namespace millrace {
namespace {

using nlohmann::json;

json ToJson(const LeagueTable& table) {
  json players = json::array();
  for (size_t i = 0; i < table.players.size(); ++i) {
    const LeaguePlayer& player = table.players[i];
    players.push_back({{"version", player.version},
                       {"rating_mean", player.rating.mean},
                       {"rating_deviation", player.rating.deviation}});
  }
  return {{"sides", table.sides}, {"players", players}, {"points", table.points}};
}

// A line for each player: its rating, and its points against each of the others.
void Print(const LeagueTable& table) {
  std::string head = fmt::format("{:>10}  {:>13}", "version", "TrueSkill");
  for (const LeaguePlayer& player : table.players) head += fmt::format(" {:>8}", player.version);
  std::printf("%s\n", head.c_str());
  for (size_t i = 0; i < table.players.size(); ++i) {
    const LeaguePlayer& player = table.players[i];
    std::string line = fmt::format("{:>10}  {:>5.1f} +- {:<4.1f}", player.version,
                                   player.rating.mean, player.rating.deviation);
    for (size_t j = 0; j < table.players.size(); ++j) {
      const double points = table.PointsAgainst(i, j);
      line += points < 0 ? fmt::format(" {:>8}", "-") : fmt::format(" {:>7.0f}%", 100 * points);
    }
    std::printf("%s\n", line.c_str());
  }
  std::printf(
      "Points of a line's version against a column's, on both sides (%s and %s); draws are half.\n",
      table.sides[0].c_str(), table.sides[1].c_str());
}

}  // namespace

void AddOptions(CLI::App& command, LeagueArguments& arguments) {
  command.add_option("run", arguments.run, "run directory, or its name below runs/")->required();
  command
      .add_option("--players", arguments.league.players,
                  "how many versions play, evenly spaced, the first and the last among them")
      ->capture_default_str()
      ->check(CLI::Range(2, 64));
  command.add_option("--episodes", arguments.league.episodes, "of every pairing, on each side")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command.add_option("--seed", arguments.league.seed, "of the episodes")->capture_default_str();
  command.add_option("--json", arguments.json, "also write the result to this file");
}

std::vector<std::string> CommandLine(const LeagueArguments& arguments) {
  std::vector<std::string> line = {"league",     arguments.run,
                                   "--players",  std::to_string(arguments.league.players),
                                   "--episodes", std::to_string(arguments.league.episodes),
                                   "--seed",     std::to_string(arguments.league.seed)};
  if (!arguments.json.empty()) line.insert(line.end(), {"--json", arguments.json});
  return line;
}

absl::Status RunLeague(const LeagueArguments& arguments, const ExperimentConfig& config,
                       const RunPaths& paths, const Registry& registry,
                       const InferenceModelFactory& make_model) {
  LeagueOptions options = arguments.league;
  const bool terminal = isatty(STDERR_FILENO) != 0;
  if (terminal) {
    options.on_pairing = [](int pairing, int pairings) {
      std::fprintf(stderr, "\rpairing %d of %d ", pairing, pairings);
    };
  }
  const auto table = PlayLeague(config, paths, registry, make_model, options);
  if (terminal) std::fprintf(stderr, "\r\033[K");
  if (!table.ok()) return table.status();
  Print(*table);
  if (arguments.json.empty()) return absl::OkStatus();
  std::ofstream file(arguments.json);
  file << ToJson(*table).dump(2) << "\n";
  return file ? absl::OkStatus() : absl::ResourceExhaustedError("cannot write " + arguments.json);
}

}  // namespace millrace
