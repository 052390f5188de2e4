// Two CartPoles that do not see each other, as two agents: the smallest multi-agent task.
#include "env/builtin_environments.h"
#include "env/cartpole.h"

namespace millrace {
namespace {

class TwoAgentCartPole : public Environment {
 public:
  explicit TwoAgentCartPole(int64_t max_episode_steps) : max_episode_steps_(max_episode_steps) {
    const AgentSpec agent = ClassicSpec(task_.observation_size(), task_.action()).agents.front();
    spec_.agents = {agent, agent};
    spec_.agents[1].name = "agent_1";
  }

  const EnvironmentSpec& spec() const override { return spec_; }

  absl::Status Reset(uint64_t seed, std::span<AgentSlot> agents) override {
    for (size_t a = 0; a < kAgents; ++a) {
      Rng rng(seed, a);
      states_[a] = CartPole::Start(rng);
      present_[a] = 1;
    }
    step_ = 0;
    Observe(agents);
    return absl::OkStatus();
  }

  absl::Status Step(std::span<AgentSlot> agents) override {
    ++step_;
    for (size_t a = 0; a < kAgents; ++a) {
      if (!agents[a].present) continue;
      const ClassicStep result = task_.Advance(states_[a], agents[a]);
      agents[a].reward = static_cast<float>(result.reward);
      agents[a].terminated = result.terminated;
      agents[a].truncated = step_ >= max_episode_steps_;
      task_.Observe(states_[a], agents[a].observation[0].As<float>());
      present_[a] = agents[a].terminated || agents[a].truncated ? 0 : 1;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<double>> PhysicalState() const override {
    std::vector<double> numbers(states_[0].begin(), states_[0].end());
    numbers.insert(numbers.end(), states_[1].begin(), states_[1].end());
    return numbers;
  }
  ExtraState Extra() const override {
    return {{"step", {static_cast<double>(step_)}},
            {"present_0", {static_cast<double>(present_[0])}},
            {"present_1", {static_cast<double>(present_[1])}}};
  }
  absl::Status ResetTo(std::span<const double> state, const ExtraState& extra,
                       std::span<AgentSlot> agents) override;

  absl::StatusOr<std::string> SaveState() const override {
    StateWriter writer;
    writer.Put(states_);
    writer.Put(present_);
    writer.Put(step_);
    return writer.Take();
  }
  absl::Status RestoreState(std::string_view saved, std::span<AgentSlot> agents) override {
    StateReader reader(saved);
    reader.Get(states_);
    reader.Get(present_);
    reader.Get(step_);
    MILLRACE_RETURN_IF_ERROR(reader.Finish());
    Observe(agents);
    return absl::OkStatus();
  }

 private:
  static constexpr size_t kAgents = 2;

  void Observe(std::span<AgentSlot> agents) {
    for (size_t a = 0; a < kAgents; ++a) {
      agents[a].present = present_[a] != 0;
      if (agents[a].present) task_.Observe(states_[a], agents[a].observation[0].As<float>());
    }
  }

  const CartPole task_{/*velocity=*/true};
  const int64_t max_episode_steps_;
  EnvironmentSpec spec_;
  std::array<CartPole::State, kAgents> states_{};
  std::array<uint8_t, kAgents> present_{};
  int64_t step_ = 0;
};

absl::Status TwoAgentCartPole::ResetTo(std::span<const double> state, const ExtraState& extra,
                                       std::span<AgentSlot> agents) {
  MILLRACE_RETURN_IF_ERROR(CheckStateSize(8, state));
  ExtraState known = {{"present_0", {1}}, {"present_1", {1}}};
  for (const auto& [name, values] : extra) known[name] = values;
  MILLRACE_ASSIGN_OR_RETURN(
      const auto numbers,
      ReadExtra(known, {{"step", kMaxWholeNumber}, {"present_0", 1}, {"present_1", 1}}));
  if (numbers.at("present_0") + numbers.at("present_1") == 0) {
    return absl::InvalidArgumentError("extra: expected at least one agent present, got none");
  }
  step_ = static_cast<int64_t>(numbers.at("step"));
  present_ = {static_cast<uint8_t>(numbers.at("present_0")),
              static_cast<uint8_t>(numbers.at("present_1"))};
  std::ranges::copy(state.first(4), states_[0].begin());
  std::ranges::copy(state.last(4), states_[1].begin());
  Observe(agents);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Environment>> MakeTwoAgentCartPole(const Options& options) {
  const int64_t limit = MaxEpisodeSteps(options, CartPole::kMaxEpisodeSteps);
  MILLRACE_RETURN_IF_ERROR(options.Finish("two_agent_cartpole"));
  return std::make_unique<TwoAgentCartPole>(limit);
}

}  // namespace millrace
