#include "workers/evaluation/evaluator.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "millrace/core/status.h"
#include "workers/common/clip_to_box.h"
#include "workers/common/weights_file.h"

namespace millrace {
namespace {

class RunningStatistics {
 public:
  void Add(double episode_return, int64_t length) {
    ++count_;
    sum_ += episode_return;
    squares_ += episode_return * episode_return;
    length_ += static_cast<double>(length);
    min_ = std::min(min_, episode_return);
    max_ = std::max(max_, episode_return);
  }
  EpisodeStatistics Get() const {
    if (count_ == 0) return {};
    const double n = static_cast<double>(count_);
    const double mean = sum_ / n;
    return {.episodes = count_,
            .return_mean = mean,
            .return_std = std::sqrt(std::max(0.0, squares_ / n - mean * mean)),
            .return_min = min_,
            .return_max = max_,
            .length_mean = length_ / n};
  }

 private:
  int64_t count_ = 0;
  double sum_ = 0, squares_ = 0, length_ = 0;
  double min_ = std::numeric_limits<double>::infinity();
  double max_ = -std::numeric_limits<double>::infinity();
};

// One policy's model and the episodes under way in its rows.
struct Player {
  PolicyAgents agents;
  std::unique_ptr<InferenceModel> model;
  std::vector<float> state, logits, mean, log_std, value;
  std::vector<double> episode_return;
  std::vector<int64_t> episode_length;
  int mask_field = -1;
  RunningStatistics statistics;
};

absl::Status Act(Player& player, EnvironmentBuffers::Part& part, uint64_t seed, uint64_t step,
                 bool sample) {
  const size_t rows = static_cast<size_t>(part.rows);
  const size_t state_size = static_cast<size_t>(player.model->state_size());
  for (size_t row = 0; row < rows && state_size > 0; ++row) {
    if (part.first[row] == 0) continue;
    std::fill_n(player.state.begin() + static_cast<int64_t>(row * state_size), state_size, 0.0f);
  }
  MILLRACE_RETURN_IF_ERROR(
      player.model->Forward(part.rows, part.observation, player.state,
                            {player.logits, player.mean, player.log_std, player.value}));
  const ActionSpec& action = player.agents.action;
  const size_t choices = static_cast<size_t>(action.num_choices());
  const size_t parts = static_cast<size_t>(action.num_discrete());
  const size_t reals = static_cast<size_t>(action.continuous_size());
  std::span<const uint8_t> mask;
  if (player.mask_field >= 0) {
    mask = part.observation[static_cast<size_t>(player.mask_field)].As<uint8_t>();
  }
  for (size_t row = 0; row < rows; ++row) {
    SampleAction(action, std::span(player.logits).subspan(row * choices, choices),
                 std::span(player.mean).subspan(row * reals, reals), player.log_std,
                 mask.empty() ? mask : mask.subspan(row * choices, choices), {seed, row, step},
                 !sample, std::span(part.discrete).subspan(row * parts, parts),
                 std::span(part.continuous).subspan(row * reals, reals));
  }
  ClipToBox(action, part.continuous, part.continuous);
  return absl::OkStatus();
}

// Counts the episodes that ended; true while some environment has not played its share.
bool Count(Player& player, const EnvironmentBuffers::Part& part,
           const std::vector<uint8_t>& present_before, std::vector<int>& to_play,
           RunningStatistics& all) {
  bool unfinished = false;
  for (size_t row = 0; row < part.reward.size(); ++row) {
    if (present_before[row] != 0) {
      player.episode_return[row] += part.reward[row];
      ++player.episode_length[row];
    }
    if (part.terminated[row] != 0 || part.truncated[row] != 0) {
      if (to_play[row] > 0) {
        player.statistics.Add(player.episode_return[row], player.episode_length[row]);
        all.Add(player.episode_return[row], player.episode_length[row]);
        --to_play[row];
      }
      player.episode_return[row] = 0;
      player.episode_length[row] = 0;
    }
    unfinished = unfinished || to_play[row] > 0;
  }
  return unfinished;
}

absl::StatusOr<Player> MakePlayer(const PolicyConfig& policy, const PolicyAgents& agents,
                                  const WeightsOf& weights_of,
                                  const InferenceModelFactory& make_model, int environments) {
  Player player;
  player.agents = agents;
  MILLRACE_ASSIGN_OR_RETURN(player.model, make_model(policy, agents));
  MILLRACE_ASSIGN_OR_RETURN(const std::vector<std::byte> weights,
                            weights_of(agents.policy, player.model->layout()));
  MILLRACE_RETURN_IF_ERROR(player.model->LoadParameters(weights));
  const size_t rows = static_cast<size_t>(environments * agents.agents);
  player.state.resize(rows * static_cast<size_t>(player.model->state_size()));
  player.logits.resize(rows * static_cast<size_t>(agents.action.num_choices()));
  player.mean.resize(rows * static_cast<size_t>(agents.action.continuous_size()));
  player.log_std.resize(static_cast<size_t>(agents.action.continuous_size()));
  player.value.resize(rows);
  player.episode_return.resize(rows);
  player.episode_length.resize(rows);
  for (size_t f = 0; f < agents.observation.fields.size(); ++f) {
    if (agents.observation.fields[f].name == kActionMask) player.mask_field = static_cast<int>(f);
  }
  return player;
}

// How many episodes each row plays: all environments together `episodes` of every agent. Fixed in
// advance, because counting whichever episodes end first would favour short ones.
std::vector<int> Shares(int episodes, int environments, int agents) {
  std::vector<int> shares;
  for (int row = 0; row < environments * agents; ++row) {
    const int environment = row / agents;
    shares.push_back(episodes / environments + (environment < episodes % environments ? 1 : 0));
  }
  return shares;
}

absl::StatusOr<std::unique_ptr<VectorEnvironment>> MakeEnvironments(const ExperimentConfig& config,
                                                                    const Registry& registry,
                                                                    int count,
                                                                    EnvironmentWatcher* watcher) {
  const TypedOptions& environment = config.environment;
  if (watcher == nullptr) {
    return registry.MakeVectorEnvironment(environment.type, environment.options, count,
                                          environment.where);
  }
  const EnvironmentFactory watched =
      [&](const Options& options) -> absl::StatusOr<std::unique_ptr<Environment>> {
    MILLRACE_ASSIGN_OR_RETURN(
        auto made, registry.MakeEnvironment(environment.type, options, environment.where));
    return Watched(std::move(made), *watcher);
  };
  return MakeEnvironmentBatch(watched, environment.options, count, environment.type);
}

}  // namespace

absl::StatusOr<EvaluationResult> Evaluate(const ExperimentConfig& config,
                                          const WeightsOf& weights_of, const Registry& registry,
                                          const InferenceModelFactory& make_model,
                                          const EvaluationOptions& options) {
  const int environments = std::min(options.environments, options.episodes);
  MILLRACE_ASSIGN_OR_RETURN(const auto environment,
                            MakeEnvironments(config, registry, environments, options.watcher));
  MILLRACE_ASSIGN_OR_RETURN(const AgentAssignment assignment,
                            AssignAgents(environment->spec(), config));
  EnvironmentBuffers buffers(assignment, environments);
  std::vector<Player> players;
  std::vector<std::vector<int>> to_play;
  for (size_t p = 0; p < assignment.policies.size(); ++p) {
    MILLRACE_ASSIGN_OR_RETURN(players.emplace_back(),
                              MakePlayer(config.policies[p], assignment.policies[p], weights_of,
                                         make_model, environments));
    to_play.push_back(Shares(options.episodes, environments, assignment.policies[p].agents));
  }
  MILLRACE_RETURN_IF_ERROR(
      environment->Reset(options.seed, 0, assignment.agent_policies, buffers.rows()));
  RunningStatistics all;
  bool unfinished = true;
  for (uint64_t step = 0; unfinished; ++step) {
    unfinished = false;
    std::vector<std::vector<uint8_t>> present;
    for (size_t p = 0; p < players.size(); ++p) {
      MILLRACE_RETURN_IF_ERROR(
          Act(players[p], *buffers.parts()[p], options.seed, step, options.sample));
      present.push_back(buffers.parts()[p]->present);
    }
    MILLRACE_RETURN_IF_ERROR(environment->Step(buffers.rows()));
    for (size_t p = 0; p < players.size(); ++p) {
      unfinished |= Count(players[p], *buffers.parts()[p], present[p], to_play[p], all);
    }
    if (options.on_step && !options.on_step(buffers)) break;
  }
  EvaluationResult result;
  result.all = all.Get();
  for (Player& player : players) result.policies[player.agents.policy] = player.statistics.Get();
  return result;
}

absl::StatusOr<EvaluationResult> Evaluate(const ExperimentConfig& config,
                                          const Checkpoint& checkpoint, const Registry& registry,
                                          const InferenceModelFactory& make_model,
                                          const EvaluationOptions& options) {
  const auto weights_of = [&](const std::string& policy, const ParameterLayout& layout) {
    return ReadWeights(checkpoint, policy, layout);
  };
  MILLRACE_ASSIGN_OR_RETURN(EvaluationResult result,
                            Evaluate(config, weights_of, registry, make_model, options));
  result.train_steps = checkpoint.train_steps;
  return result;
}

}  // namespace millrace
