#include "cli/torch/single_process_ppo.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/deadline.h"
#include "env/rows_buffer.h"
#include "millrace/core/status.h"
#include "millrace/inference/model_spec.h"
#include "millrace/models/torch.h"
#include "millrace/registry/registry.h"

namespace millrace {
namespace {

namespace nn = torch::nn;

struct Settings {
  double gamma, lambda, clip, value_clip, value_coefficient, entropy_coefficient, learning_rate,
      adam_epsilon, max_gradient_norm;
  int64_t epochs, minibatch;
  bool linear;
};

Settings ReadSettings(const Options& options) {
  return {.gamma = options.GetDouble("gamma", 0.99),
          .lambda = options.GetDouble("gae_lambda", 0.95),
          .clip = options.GetDouble("clip", 0.2),
          .value_clip = options.GetDouble("value_clip", 0),
          .value_coefficient = options.GetDouble("value_coefficient", 0.5),
          .entropy_coefficient = options.GetDouble("entropy_coefficient", 0),
          .learning_rate = options.GetDouble("learning_rate", 3e-4),
          .adam_epsilon = options.GetDouble("adam_epsilon", 1e-5),
          .max_gradient_norm = options.GetDouble("max_gradient_norm", 0.5),
          .epochs = options.GetInt("epochs", 4),
          .minibatch = options.GetInt("minibatch", 1024),
          .linear = options.GetString("schedule", "constant") == "linear"};
}

nn::Sequential MakeNet(const ModelSpec& spec, int64_t in, int64_t out, double gain) {
  nn::Sequential net;
  const auto linear = [&net](int64_t from, int64_t to, double scale) {
    nn::Linear layer(from, to);
    nn::init::orthogonal_(layer->weight, scale);
    nn::init::zeros_(layer->bias);
    net->push_back(layer);
  };
  for (const int64_t width : spec.hidden) {
    linear(in, width, std::sqrt(2.0));
    if (spec.activation == Activation::kTanh) net->push_back(nn::Tanh());
    if (spec.activation == Activation::kRelu) net->push_back(nn::ReLU());
    in = width;
  }
  linear(in, out, gain);
  return net;
}

double CpuSeconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Everything there is: environments, networks, optimiser and one batch, [T, N, ...].
class SingleProcessPpo {
 public:
  SingleProcessPpo(const ExperimentConfig& config, const ModelSpec& spec,
                   std::unique_ptr<VectorEnvironment> environment)
      : settings_(ReadSettings(config.algorithm.options)),
        count_(environment->size()),
        steps_(config.trainer.batch_env_steps / count_),
        features_(spec.num_features()),
        environment_(std::move(environment)),
        buffer_(environment_->spec(), {0}, count_),
        actor_(MakeNet(spec, features_, spec.action.num_choices(), 0.01)),
        critic_(MakeNet(spec, features_, 1, 1)),
        parameters_(actor_->parameters()) {
    const auto critic = critic_->parameters();
    parameters_.insert(parameters_.end(), critic.begin(), critic.end());
    optimizer_ = std::make_unique<torch::optim::Adam>(
        parameters_,
        torch::optim::AdamOptions(settings_.learning_rate).eps(settings_.adam_epsilon));
    observation_ = torch::empty({steps_ + 1, count_, features_});
    action_ = torch::empty({steps_, count_}, torch::kInt64);
    for (torch::Tensor* tensor : {&log_prob_, &reward_, &done_, &advantage_}) {
      *tensor = torch::empty({steps_, count_});
    }
    value_ = torch::empty({steps_ + 1, count_});
    returns_.resize(static_cast<size_t>(count_));
  }

  absl::Status Reset(uint64_t seed) { return environment_->Reset(seed, 0, {0}, buffer_.rows()); }

  absl::Status Collect() {
    const torch::NoGradGuard no_gradient;
    const PolicyRows& rows = buffer_.rows()[0];
    const auto floats = [&](const TensorView& view) {
      return torch::from_blob(view.data, {count_, features_});
    };
    for (int64_t step = 0; step < steps_; ++step) {
      observation_[step].copy_(floats(rows.observation[0]));
      const torch::Tensor logits = torch::log_softmax(actor_->forward(observation_[step]), -1);
      const torch::Tensor choice = torch::multinomial(logits.exp(), 1);
      action_[step].copy_(choice.squeeze(-1));
      log_prob_[step].copy_(logits.gather(-1, choice).squeeze(-1));
      value_[step].copy_(critic_->forward(observation_[step]).squeeze(-1));
      std::copy_n(RowsOf<int64_t>(action_, step), count_, buffer_.discrete(0).begin());
      MILLRACE_RETURN_IF_ERROR(environment_->Step(buffer_.rows()));
      RecordOutcomes(step);
    }
    observation_[steps_].copy_(floats(rows.observation[0]));
    value_[steps_].copy_(critic_->forward(observation_[steps_]).squeeze(-1));
    return absl::OkStatus();
  }

  // progress in [0, 1]
  void Train(double progress) {
    ComputeAdvantages();
    const int64_t items = steps_ * count_;
    const torch::Tensor observation = observation_.narrow(0, 0, steps_).reshape({items, features_});
    const torch::Tensor action = action_.flatten(), log_prob = log_prob_.flatten(),
                        value = value_.narrow(0, 0, steps_).flatten(),
                        target = (advantage_.flatten() + value).detach();
    const torch::Tensor advantage =
        (advantage_.flatten() - advantage_.mean()) / (advantage_.std(false) + 1e-8);
    auto& group = static_cast<torch::optim::AdamOptions&>(optimizer_->param_groups()[0].options());
    if (settings_.linear) group.lr(settings_.learning_rate * (1 - progress));
    for (int64_t epoch = 0; epoch < settings_.epochs; ++epoch) {
      for (const torch::Tensor& rows : torch::randperm(items).split(settings_.minibatch)) {
        TrainMinibatch(observation.index_select(0, rows), action.index_select(0, rows),
                       log_prob.index_select(0, rows), value.index_select(0, rows),
                       advantage.index_select(0, rows), target.index_select(0, rows));
      }
    }
  }

  int64_t batch_steps() const { return steps_ * count_; }
  // Over the last 100 episodes; nothing before.
  std::optional<double> MeanReturn() const {
    if (finished_.size() < kEpisodes) return std::nullopt;
    return std::accumulate(finished_.begin(), finished_.end(), 0.0) / kEpisodes;
  }

 private:
  static constexpr size_t kEpisodes = 100;

  template <typename T>
  T* RowsOf(const torch::Tensor& tensor, int64_t step) const {
    return tensor.data_ptr<T>() + step * count_;
  }

  void RecordOutcomes(int64_t step) {
    const PolicyRows& rows = buffer_.rows()[0];
    float* const rewards = RowsOf<float>(reward_, step);
    float* const done = RowsOf<float>(done_, step);
    for (int64_t i = 0; i < count_; ++i) {
      const auto row = static_cast<size_t>(i);
      const bool ended = rows.terminated[row] != 0 || rows.truncated[row] != 0;
      float reward = rows.reward[row];
      returns_[row] += reward;
      if (rows.truncated[row] != 0) {
        float* const last = rows.final_observation[0].As<float>().data() + i * features_;
        reward += static_cast<float>(settings_.gamma) *
                  critic_->forward(torch::from_blob(last, {features_})).item<float>();
      }
      rewards[i] = reward;
      done[i] = ended ? 1.0F : 0.0F;
      if (!ended) continue;
      finished_.push_back(returns_[row]);
      if (finished_.size() > kEpisodes) finished_.pop_front();
      returns_[row] = 0;
    }
  }

  void ComputeAdvantages() {
    const auto gamma = static_cast<float>(settings_.gamma);
    const auto decay = static_cast<float>(settings_.gamma * settings_.lambda);
    std::vector<float> sums(static_cast<size_t>(count_));
    for (int64_t step = steps_; step-- > 0;) {
      const float* const value = RowsOf<float>(value_, step);
      const float* const next_value = RowsOf<float>(value_, step + 1);
      for (int64_t i = 0; i < count_; ++i) {
        float& sum = sums[static_cast<size_t>(i)];
        const float alive = 1 - RowsOf<float>(done_, step)[i];
        const float delta =
            RowsOf<float>(reward_, step)[i] + gamma * alive * next_value[i] - value[i];
        sum = delta + decay * alive * sum;
        RowsOf<float>(advantage_, step)[i] = sum;
      }
    }
  }

  void TrainMinibatch(const torch::Tensor& observation, const torch::Tensor& action,
                      const torch::Tensor& old_log_prob, const torch::Tensor& old_value,
                      const torch::Tensor& advantage, const torch::Tensor& target) {
    const torch::Tensor logits = torch::log_softmax(actor_->forward(observation), -1);
    const torch::Tensor log_prob = logits.gather(-1, action.unsqueeze(-1)).squeeze(-1);
    const torch::Tensor ratio = (log_prob - old_log_prob).exp();
    const torch::Tensor clipped = ratio.clamp(1 - settings_.clip, 1 + settings_.clip);
    const torch::Tensor policy_loss = -torch::min(ratio * advantage, clipped * advantage).mean();
    const torch::Tensor value = critic_->forward(observation).squeeze(-1);
    torch::Tensor error = (value - target).square();
    if (settings_.value_clip > 0) {
      const torch::Tensor near =
          old_value + (value - old_value).clamp(-settings_.value_clip, settings_.value_clip);
      error = torch::max(error, (near - target).square());
    }
    torch::Tensor loss = policy_loss + settings_.value_coefficient * 0.5 * error.mean();
    if (settings_.entropy_coefficient > 0) {
      loss = loss + settings_.entropy_coefficient * (logits.exp() * logits).sum(-1).mean();
    }
    optimizer_->zero_grad();
    loss.backward();
    if (settings_.max_gradient_norm > 0) {
      nn::utils::clip_grad_norm_(parameters_, settings_.max_gradient_norm);
    }
    optimizer_->step();
  }

  const Settings settings_;
  const int64_t count_, steps_, features_;
  const std::unique_ptr<VectorEnvironment> environment_;
  RowsBuffer buffer_;
  nn::Sequential actor_, critic_;
  std::vector<torch::Tensor> parameters_;
  std::unique_ptr<torch::optim::Adam> optimizer_;
  torch::Tensor observation_, action_, log_prob_, value_, reward_, done_, advantage_;
  std::vector<double> returns_;  // of the episodes under way
  std::deque<double> finished_;
};

absl::Status CheckSupported(const ExperimentConfig& config, const EnvironmentSpec& spec) {
  const auto refuse = [](const char* what) {
    return absl::UnimplementedError(absl::StrCat("the single-process arm has no ", what));
  };
  if (config.algorithm.type != "ppo") return refuse("algorithm but ppo");
  if (config.policies.size() != 1 || spec.agents.size() != 1) return refuse("second agent");
  if (config.policies[0].model.type != "mlp") return refuse("model that is no mlp");
  const ActionSpec& action = spec.agents[0].action;
  if (action.num_discrete() != 1 || action.continuous_size() != 0) {
    return refuse("action but one discrete component");
  }
  const auto& fields = spec.agents[0].observation.fields;
  if (fields.size() != 1 || fields[0].dtype != DType::kFloat32) {
    return refuse("observation but one of floats");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SingleProcessFigures> TrainInOneProcess(const ExperimentConfig& config) {
  at::set_num_threads(1);
  torch::manual_seed(config.seed);
  const Registry registry = BuiltinRegistry();
  MILLRACE_ASSIGN_OR_RETURN(
      auto environment,
      registry.MakeVectorEnvironment(config.environment.type, config.environment.options,
                                     config.actor.count * config.actor.environments,
                                     config.environment.where));
  MILLRACE_RETURN_IF_ERROR(CheckSupported(config, environment->spec()));
  Options options = config.policies[0].model.options;
  options.Set("type", {.items = {"mlp"}});
  const AgentSpec& agent = environment->spec().agents[0];
  MILLRACE_ASSIGN_OR_RETURN(const ModelSpec spec,
                            ModelSpec::FromOptions(options, agent.observation, agent.action));
  SingleProcessPpo ppo(config, spec, std::move(environment));
  MILLRACE_RETURN_IF_ERROR(ppo.Reset(config.seed));
  const auto limit = static_cast<int64_t>(config.stop.env_steps.value_or(500'000));
  SingleProcessFigures figures;
  const Clock::time_point start = Clock::now();
  const double cpu_start = CpuSeconds();
  while (figures.env_steps < limit) {
    MILLRACE_RETURN_IF_ERROR(ppo.Collect());
    figures.env_steps += ppo.batch_steps();
    const std::optional<double> mean = ppo.MeanReturn();
    if (config.stop.episode_return && mean && *mean >= *config.stop.episode_return) {
      figures.env_steps_to_goal = figures.env_steps;
      break;
    }
    ppo.Train(static_cast<double>(figures.env_steps) / static_cast<double>(limit));
  }
  figures.seconds = SecondsSince(start);
  figures.cpu_seconds = CpuSeconds() - cpu_start;
  return figures;
}

}  // namespace millrace
