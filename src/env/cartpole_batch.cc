// CartPole-v1 as struct-of-arrays: one array per state variable, so that the compiler vectorises
// the arithmetic. Sine and cosine are the C library's (NumPy uses the same), which keeps every bit
// equal to the single environment and to Gymnasium.
#include <cstring>
#include <vector>

#include "env/agent_places.h"
#include "env/builtin_environments.h"
#include "env/cartpole.h"
#include "env/state_bytes.h"
#include "millrace/core/check.h"

namespace millrace {
namespace {

class CartPoleBatch : public VectorEnvironment {
 public:
  CartPoleBatch(bool velocity, int32_t max_episode_steps, size_t count)
      : task_(velocity),
        spec_(ClassicSpec(task_.observation_size(), task_.action())),
        max_episode_steps_(max_episode_steps),
        width_(static_cast<size_t>(task_.observation_size())),
        velocity_(velocity),
        x_(count),
        x_dot_(count),
        theta_(count),
        theta_dot_(count),
        sine_(count),
        cosine_(count),
        step_(count),
        episode_(count) {}

  const EnvironmentSpec& spec() const override { return spec_; }
  int size() const override { return static_cast<int>(x_.size()); }

  absl::Status Reset(uint64_t seed, uint64_t first_slot, const AgentPolicies& agents,
                     std::span<const PolicyRows> policies) override {
    MILLRACE_RETURN_IF_ERROR(Bind(seed, first_slot, agents, policies));
    std::ranges::fill(episode_, 0);
    for (size_t i = 0; i < x_.size(); ++i) StartEpisode(i);
    WriteStart(policies[policy_]);
    return absl::OkStatus();
  }

  absl::Status Step(std::span<const PolicyRows> policies) override {
    MILLRACE_CHECK(bound_, "Step before Reset");
    const PolicyRows& rows = policies[policy_];
    Integrate(rows.discrete);
    const bool any_ended = Judge(rows);
    Observe(rows.observation[0].As<float>());
    if (any_ended) RestartEnded(rows);
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> SaveState() const override {
    StateWriter writer;
    for (size_t i = 0; i < x_.size(); ++i) {
      writer.Put(StateOf(i));
      writer.Put(step_[i]);
      writer.Put(episode_[i]);
    }
    return writer.Take();
  }

  absl::Status RestoreState(std::string_view state, uint64_t seed, uint64_t first_slot,
                            const AgentPolicies& agents,
                            std::span<const PolicyRows> policies) override {
    MILLRACE_RETURN_IF_ERROR(Bind(seed, first_slot, agents, policies));
    StateReader reader(state);
    for (size_t i = 0; i < x_.size(); ++i) {
      CartPole::State one{};
      reader.Get(one);
      SetState(i, one);
      reader.Get(step_[i]);
      reader.Get(episode_[i]);
    }
    WriteStart(policies[policy_]);
    return reader.Finish();
  }

 private:
  absl::Status Bind(uint64_t seed, uint64_t first_slot, const AgentPolicies& agents,
                    std::span<const PolicyRows> policies) {
    MILLRACE_ASSIGN_OR_RETURN(const auto places, PlaceAgents(spec_, size(), agents, policies));
    policy_ = places.front().policy;
    seed_ = seed;
    first_slot_ = first_slot;
    bound_ = true;
    return absl::OkStatus();
  }

  CartPole::State StateOf(size_t i) const { return {x_[i], x_dot_[i], theta_[i], theta_dot_[i]}; }
  void SetState(size_t i, const CartPole::State& state) {
    x_[i] = state[0];
    x_dot_[i] = state[1];
    theta_[i] = state[2];
    theta_dot_[i] = state[3];
  }

  void StartEpisode(size_t i) {
    Rng rng(EpisodeSeed(seed_, first_slot_ + i, episode_[i]), 0);
    SetState(i, CartPole::Start(rng));
    step_[i] = 0;
  }

  // The rows after Reset or RestoreState.
  void WriteStart(const PolicyRows& rows) {
    ClearStepOutputs(rows);
    for (size_t i = 0; i < x_.size(); ++i) rows.first[i] = step_[i] == 0 ? 1 : 0;
    std::ranges::fill(rows.present, uint8_t{1});
    Observe(rows.observation[0].As<float>());
  }

  void Integrate(std::span<const int32_t> actions) {
    const size_t n = x_.size();
    for (size_t i = 0; i < n; ++i) sine_[i] = std::sin(theta_[i]);
    for (size_t i = 0; i < n; ++i) cosine_[i] = std::cos(theta_[i]);
    const int32_t* __restrict action = actions.data();
    const double* __restrict sine = sine_.data();
    const double* __restrict cosine = cosine_.data();
    double* __restrict x = x_.data();
    double* __restrict x_dot = x_dot_.data();
    double* __restrict theta = theta_.data();
    double* __restrict theta_dot = theta_dot_.data();
    for (size_t i = 0; i < n; ++i) {
      CartPole::Integrate(CartPole::Force(action[i]), sine[i], cosine[i], x[i], x_dot[i], theta[i],
                          theta_dot[i]);
    }
  }

  // Writes rewards and flags; says whether any episode ended.
  bool Judge(const PolicyRows& rows) {
    uint8_t any_ended = 0;
    for (size_t i = 0; i < x_.size(); ++i) {
      const uint8_t terminated = CartPole::Failed(x_[i], theta_[i]) ? 1 : 0;
      const uint8_t truncated = ++step_[i] >= max_episode_steps_ ? 1 : 0;
      rows.terminated[i] = terminated;
      rows.truncated[i] = truncated;
      rows.first[i] = terminated | truncated;
      any_ended |= terminated | truncated;
    }
    std::ranges::fill(rows.reward, 1.0f);
    std::ranges::fill(rows.present, uint8_t{1});
    return any_ended != 0;
  }

  void Observe(std::span<float> observation) const {
    float* __restrict out = observation.data();
    for (size_t i = 0; i < x_.size(); ++i) {
      if (velocity_) {
        out[4 * i] = static_cast<float>(x_[i]);
        out[4 * i + 1] = static_cast<float>(x_dot_[i]);
        out[4 * i + 2] = static_cast<float>(theta_[i]);
        out[4 * i + 3] = static_cast<float>(theta_dot_[i]);
      } else {
        out[2 * i] = static_cast<float>(x_[i]);
        out[2 * i + 1] = static_cast<float>(theta_[i]);
      }
    }
  }

  void RestartEnded(const PolicyRows& rows) {
    const std::span<float> observation = rows.observation[0].As<float>();
    for (size_t i = 0; i < x_.size(); ++i) {
      if (rows.first[i] == 0) continue;
      const std::span<float> row = observation.subspan(i * width_, width_);
      if (!rows.final_observation.empty()) {
        std::ranges::copy(row, rows.final_observation[0].As<float>().begin() +
                                   static_cast<ptrdiff_t>(i * width_));
      }
      ++episode_[i];
      StartEpisode(i);
      task_.Observe(StateOf(i), row);
    }
  }

  // Constant after construction.
  const CartPole task_;
  const EnvironmentSpec spec_;
  const int32_t max_episode_steps_;
  const size_t width_;
  const bool velocity_;
  // Set by Reset and RestoreState.
  bool bound_ = false;
  size_t policy_ = 0;
  uint64_t seed_ = 0;
  uint64_t first_slot_ = 0;
  // Per environment.
  std::vector<double> x_, x_dot_, theta_, theta_dot_;
  std::vector<double> sine_, cosine_;
  std::vector<int32_t> step_;
  std::vector<uint64_t> episode_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<VectorEnvironment>> MakeCartPoleBatch(const Options& options,
                                                                     int count) {
  const bool velocity = options.GetBool("velocity", true);
  const int64_t limit = MaxEpisodeSteps(options, CartPole::kMaxEpisodeSteps);
  MILLRACE_RETURN_IF_ERROR(options.Finish("cartpole"));
  if (count < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("environment cartpole: expected at least 1 of it, got ", count));
  }
  return std::make_unique<CartPoleBatch>(velocity, static_cast<int32_t>(limit),
                                         static_cast<size_t>(count));
}

}  // namespace millrace
