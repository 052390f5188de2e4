#include "workers/evaluation/league_table.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <regex>
#include <span>
#include <utility>

#include "millrace/core/status.h"
#include "workers/common/weights_file.h"
#include "workers/evaluation/evaluator.h"
#include "workers/league/episode_begins.h"
#include "workers/league/game_score.h"
#include "workers/league/league_store.h"

namespace millrace {
namespace {

// A team of a policy, which plays as a policy of its own.
struct Side {
  std::string name;
  PolicyConfig policy;  // whose weights it takes
  int team = 0;
};

std::vector<Side> SidesOf(const ExperimentConfig& config) {
  std::vector<Side> sides;
  for (const PolicyConfig& policy : config.policies) {
    if (!policy.league.has_value()) continue;
    const auto& teams = policy.league->teams;
    if (teams.empty()) sides.push_back({.name = policy.name, .policy = policy, .team = 0});
    for (size_t team = 0; team < teams.size(); ++team) {
      sides.push_back({.name = teams.size() == 1 ? policy.name : teams[team],
                       .policy = policy,
                       .team = static_cast<int>(team)});
    }
  }
  return sides;
}

// `name` as a regular expression that matches nothing else.
std::string Quoted(const std::string& name) {
  static const std::regex special(R"([.^$|()\[\]{}*+?\\])");
  return std::regex_replace(name, special, R"(\$&)");
}

// The experiment with each side as a policy of its own: those come first, in order.
ExperimentConfig Divided(const ExperimentConfig& config, const std::vector<Side>& sides,
                         const AgentAssignment& assignment, const std::vector<AgentSpec>& agents) {
  ExperimentConfig divided = config;
  divided.policies.clear();
  divided.agents.clear();
  for (size_t side = 0; side < sides.size(); ++side) {
    divided.policies.push_back(sides[side].policy);
    divided.policies.back().name = fmt::format("side {}", side);
    divided.policies.back().league.reset();
  }
  std::vector<size_t> seen(assignment.policies.size());
  for (size_t a = 0; a < agents.size(); ++a) {
    const size_t policy = static_cast<size_t>(assignment.agent_policies[a]);
    const PolicyAgents& its = assignment.policies[policy];
    const size_t index = seen[policy]++;
    std::string played_by = its.policy;
    for (size_t side = 0; side < sides.size(); ++side) {
      if (sides[side].policy.name == its.policy && its.teams[index] == sides[side].team) {
        played_by = divided.policies[side].name;
      }
    }
    divided.agents.push_back({.match = Quoted(agents[a].name), .policy = played_by});
  }
  for (const PolicyConfig& policy : config.policies) {
    if (std::ranges::count(divided.agents, policy.name, &AgentMatch::policy) > 0) {
      divided.policies.push_back(policy);
      divided.policies.back().league.reset();
    }
  }
  divided.report = {};  // asks for statistics of the run
  return divided;
}

// `count` of them, evenly spaced, with the first and the last.
std::vector<uint64_t> Spaced(const std::vector<uint64_t>& versions, int count) {
  const size_t n = static_cast<size_t>(std::max(2, count));
  if (versions.size() <= n) return versions;
  std::vector<uint64_t> spaced;
  for (size_t i = 0; i < n; ++i) spaced.push_back(versions[i * (versions.size() - 1) / (n - 1)]);
  return spaced;
}

// The outcomes of a pairing's episodes, told from what the rows of both sides are paid. Every
// environment has a fixed share of them, so that short ones are not counted more often.
class Games {
 public:
  Games(int episodes, int environments)
      : scores_(static_cast<size_t>(environments)), begins_(static_cast<size_t>(environments)) {
    for (int i = 0; i < environments; ++i) {
      left_.push_back(episodes / environments + (i < episodes % environments ? 1 : 0));
    }
  }

  void Watch(const EnvironmentBuffers& buffers) {
    begins_.Clear();
    for (size_t p = 0; p < buffers.parts().size(); ++p) {
      const EnvironmentBuffers::Part& part = *buffers.parts()[p];
      if (p < returns_.size()) Add(p, part);
      begins_.Add(part.first, part.present);
    }
    for (size_t environment = 0; environment < scores_.size(); ++environment) {
      if (!begins_[environment]) continue;
      const auto outcome = scores_[environment].Finish();
      if (outcome.has_value() && left_[environment]-- > 0) outcomes_.push_back(*outcome);
    }
  }
  const std::vector<Outcome>& outcomes() const { return outcomes_; }

 private:
  void Add(size_t side, const EnvironmentBuffers::Part& part) {
    std::vector<float>& returns = returns_[side];
    returns.resize(part.reward.size());
    const size_t agents = returns.size() / scores_.size();
    for (size_t row = 0; row < returns.size(); ++row) {
      returns[row] += part.reward[row];
      if (part.terminated[row] == 0 && part.truncated[row] == 0) continue;
      scores_[row / agents].Add(static_cast<int>(side), std::exchange(returns[row], 0.0F));
    }
  }

  std::vector<GameScore> scores_;  // per environment
  EpisodeBegins begins_;
  std::vector<int> left_;                      // per environment
  std::array<std::vector<float>, 2> returns_;  // per side and row
  std::vector<Outcome> outcomes_;              // of side 0
};

class League {
 public:
  League(const ExperimentConfig& config, const Registry& registry,
         const InferenceModelFactory& make_model, const LeagueOptions& options)
      : config_(config), registry_(registry), make_model_(make_model), options_(options) {}

  absl::Status Open(const RunPaths& paths) {
    MILLRACE_ASSIGN_OR_RETURN(
        const auto environment,
        registry_.MakeEnvironment(config_.environment.type, config_.environment.options,
                                  config_.environment.where));
    MILLRACE_ASSIGN_OR_RETURN(const AgentAssignment assignment,
                              AssignAgents(environment->spec(), config_));
    sides_ = SidesOf(config_);
    if (sides_.size() != 2) {
      return absl::FailedPreconditionError(fmt::format(
          "{}: expected a league of two sides (policies.NAME.league with two teams, or two "
          "policies), got {}",
          paths.root().string(), sides_.size()));
    }
    divided_ = Divided(config_, sides_, assignment, environment->spec().agents);
    MILLRACE_ASSIGN_OR_RETURN(const auto checkpoints, CheckpointStore::Open(paths.checkpoints()));
    MILLRACE_ASSIGN_OR_RETURN(newest_, checkpoints.ReadNewest());
    return OpenStores(paths, assignment);
  }

  absl::StatusOr<LeagueTable> Play() {
    LeagueTable table{.sides = {sides_[0].name, sides_[1].name}, .players = {}, .points = {}};
    for (const uint64_t version : versions_) table.players.push_back({.version = version});
    const size_t n = versions_.size();
    table.points.assign(n, std::vector<double>(n, -1));
    std::vector<std::vector<std::vector<Outcome>>> outcomes(n,
                                                            std::vector<std::vector<Outcome>>(n));
    int pairing = 0;
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) {
        if (i == j) continue;
        if (options_.on_pairing) options_.on_pairing(++pairing, static_cast<int>(n * (n - 1)));
        MILLRACE_ASSIGN_OR_RETURN(outcomes[i][j], Meet(versions_[i], versions_[j]));
        double points = 0;
        for (const Outcome outcome : outcomes[i][j]) points += Points(outcome);
        if (outcomes[i][j].empty()) continue;  // no agent of one of the sides ever took part
        table.points[i][j] = points / static_cast<double>(outcomes[i][j].size());
      }
    }
    Rate(outcomes, table.players);
    return table;
  }

 private:
  // Versions that both sides have; their weights, as a division of policies asks for them.
  absl::Status OpenStores(const RunPaths& paths, const AgentAssignment& assignment) {
    for (const Side& side : sides_) {
      const auto agents =
          std::ranges::find(assignment.policies, side.policy.name, &PolicyAgents::policy);
      MILLRACE_ASSIGN_OR_RETURN(const auto model, make_model_(side.policy, *agents));
      MILLRACE_ASSIGN_OR_RETURN(LeagueStore store,
                                LeagueStore::Open(paths, side.policy.name, model->layout()));
      stores_.push_back(std::move(store));
    }
    std::vector<uint64_t> common;
    std::ranges::set_intersection(stores_[0].Versions(), stores_[1].Versions(),
                                  std::back_inserter(common));
    if (common.size() < 2) {
      return absl::FailedPreconditionError(
          fmt::format("{}: expected at least two past versions, got {}; one is kept of every {} "
                      "that are published",
                      (paths.root() / "league").string(), common.size(),
                      sides_[0].policy.league->every_versions));
    }
    versions_ = Spaced(common, options_.players);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<Outcome>> Meet(uint64_t first, uint64_t second) {
    EvaluationOptions evaluation;
    evaluation.episodes = options_.episodes;
    evaluation.sample = true;
    evaluation.seed = options_.seed;
    Games games(evaluation.episodes, std::min(evaluation.environments, evaluation.episodes));
    evaluation.on_step = [&](const EnvironmentBuffers& buffers) {
      games.Watch(buffers);
      return true;
    };
    const auto weights_of =
        [&](const std::string& policy,
            const ParameterLayout& layout) -> absl::StatusOr<std::vector<std::byte>> {
      for (size_t side = 0; side < sides_.size(); ++side) {
        if (divided_.policies[side].name != policy) continue;
        return stores_[side].Read(side == 0 ? first : second);
      }
      return ReadWeights(newest_, policy, layout);
    };
    MILLRACE_RETURN_IF_ERROR(
        Evaluate(divided_, weights_of, registry_, make_model_, evaluation).status());
    return games.outcomes();
  }

  // Games of all pairings in turn, so that no player's last games weigh more than another's.
  static void Rate(const std::vector<std::vector<std::vector<Outcome>>>& outcomes,
                   std::vector<LeaguePlayer>& players) {
    size_t most = 0, draws = 0, games = 0;
    for (const auto& row : outcomes) {
      for (const auto& pairing : row) {
        most = std::max(most, pairing.size());
        games += pairing.size();
        draws += static_cast<size_t>(std::ranges::count(pairing, Outcome::kDraw));
      }
    }
    TrueSkillOptions options;
    options.draw_chance =
        std::min(0.9, static_cast<double>(draws) / static_cast<double>(std::max<size_t>(1, games)));
    const TrueSkill skill(options);
    for (size_t game = 0; game < most; ++game) {
      for (size_t i = 0; i < players.size(); ++i) {
        for (size_t j = 0; j < players.size(); ++j) {
          if (game >= outcomes[i][j].size()) continue;
          skill.Update(outcomes[i][j][game], players[i].rating, players[j].rating);
        }
      }
    }
  }

  const ExperimentConfig& config_;
  const Registry& registry_;
  const InferenceModelFactory& make_model_;
  const LeagueOptions& options_;
  std::vector<Side> sides_;
  ExperimentConfig divided_;
  Checkpoint newest_;
  std::vector<LeagueStore> stores_;  // of each side
  std::vector<uint64_t> versions_;
};

}  // namespace

absl::StatusOr<LeagueTable> PlayLeague(const ExperimentConfig& config, const RunPaths& paths,
                                       const Registry& registry,
                                       const InferenceModelFactory& make_model,
                                       const LeagueOptions& options) {
  League league(config, registry, make_model, options);
  MILLRACE_RETURN_IF_ERROR(league.Open(paths));
  return league.Play();
}

}  // namespace millrace
