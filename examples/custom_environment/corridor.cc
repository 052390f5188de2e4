// A corridor of `length` cells. The agent starts somewhere in the left half, sees where it is, and
// goes left or right; the right end pays 1 and ends the episode, every step costs 0.01.
#include <algorithm>
#include <memory>
#include <vector>

#include "millrace/core/rng.h"
#include "millrace/core/status.h"
#include "millrace/env/environment.h"
#include "millrace/registry/plugin.h"
#include "millrace/registry/registry.h"

namespace {

class Corridor : public millrace::Environment {
 public:
  static absl::StatusOr<std::unique_ptr<millrace::Environment>> Create(
      const millrace::Options& options) {
    const int64_t length = options.GetInt("length", 10, 2, 1000);
    const int64_t limit = options.GetInt("max_episode_steps", 200, 1, 1000000);
    MILLRACE_RETURN_IF_ERROR(options.Finish("corridor"));
    return std::make_unique<Corridor>(length, limit);
  }

  Corridor(int64_t length, int64_t limit) : length_(length), limit_(limit) {
    millrace::AgentSpec agent;
    agent.name = "walker";
    agent.observation.fields = {{"position", millrace::DType::kFloat32, {1}}};
    agent.action = millrace::ActionSpec::Discrete(2);
    spec_.agents = {agent};
  }

  const millrace::EnvironmentSpec& spec() const override { return spec_; }

  absl::Status Reset(uint64_t seed, std::span<millrace::AgentSlot> agents) override {
    millrace::Rng rng(seed, /*stream=*/0);
    return Begin(static_cast<int64_t>(rng.Below(static_cast<uint64_t>(length_ / 2))), agents);
  }

  absl::Status Step(std::span<millrace::AgentSlot> agents) override {
    millrace::AgentSlot& agent = agents[0];
    cell_ = std::clamp<int64_t>(cell_ + (agent.discrete[0] == 1 ? 1 : -1), 0, length_ - 1);
    ++steps_;
    agent.terminated = cell_ == length_ - 1;
    agent.truncated = !agent.terminated && steps_ == limit_;
    agent.reward = agent.terminated ? 1.0f : -0.01f;
    Observe(agent);
    return absl::OkStatus();
  }

  // The cell: what `millrace env step` prints as "state" and takes in a reset.
  absl::StatusOr<std::vector<double>> PhysicalState() const override {
    return std::vector<double>{static_cast<double>(cell_)};
  }
  absl::Status ResetTo(std::span<const double> state, const millrace::ExtraState&,
                       std::span<millrace::AgentSlot> agents) override {
    if (state.size() != 1 || !(state[0] >= 0 && state[0] < static_cast<double>(length_))) {
      return absl::InvalidArgumentError("corridor: expected a state of one cell, [0, length)");
    }
    return Begin(static_cast<int64_t>(state[0]), agents);
  }

 private:
  absl::Status Begin(int64_t cell, std::span<millrace::AgentSlot> agents) {
    cell_ = cell;
    steps_ = 0;
    agents[0].present = true;
    Observe(agents[0]);
    return absl::OkStatus();
  }

  void Observe(const millrace::AgentSlot& agent) const {
    agent.observation[0].As<float>()[0] =
        static_cast<float>(cell_) / static_cast<float>(length_ - 1);
  }

  const int64_t length_, limit_;
  millrace::EnvironmentSpec spec_;
  int64_t cell_ = 0, steps_ = 0;
};

}  // namespace

MILLRACE_PLUGIN_ABI
extern "C" void MillraceRegister(millrace::Registry& registry) {
  registry.AddEnvironment("corridor", Corridor::Create, "walk to the right end of a corridor");
}
