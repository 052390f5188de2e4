// What Gymnasium's classic control tasks have in common: one agent, a few doubles of state, one
// float32 observation and a time limit.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/extra_state.h"
#include "env/state_bytes.h"
#include "millrace/core/rng.h"
#include "millrace/core/status.h"
#include "millrace/env/environment.h"

namespace millrace {

struct ClassicStep {
  double reward = 0;
  bool terminated = false;
};

// The limit a user may set, as an option.
inline int64_t MaxEpisodeSteps(const Options& options, int64_t fallback) {
  return options.GetInt("max_episode_steps", fallback, 1, 1'000'000'000);
}

// One agent called "agent_0" with one array.
inline EnvironmentSpec ClassicSpec(int64_t observation_size, ActionSpec action,
                                   DType dtype = DType::kFloat32) {
  const Field field{"observation", dtype, {observation_size}, Extent::kRows};
  return {{{"agent_0", {{field}}, std::move(action)}}};
}

// Task provides:
//   using State = std::array<double, N>;
//   int64_t observation_size() const;
//   ActionSpec action() const;
//   State Start(Rng& rng) const;
//   ClassicStep Advance(State& state, const AgentSlot& action) const;
//   void Observe(const State& state, std::span<float> observation) const;
//   Drawing Draw(const State& state) const;   optional
template <typename Task>
class ClassicControl : public Environment {
 public:
  ClassicControl(Task task, int64_t max_episode_steps)
      : task_(std::move(task)),
        spec_(ClassicSpec(task_.observation_size(), task_.action())),
        max_episode_steps_(max_episode_steps) {}

  const EnvironmentSpec& spec() const override { return spec_; }

  absl::Status Reset(uint64_t seed, std::span<AgentSlot> agents) override {
    Rng rng(seed, 0);
    state_ = task_.Start(rng);
    step_ = 0;
    Observe(agents);
    return absl::OkStatus();
  }

  absl::Status Step(std::span<AgentSlot> agents) override {
    const ClassicStep result = task_.Advance(state_, agents[0]);
    ++step_;
    agents[0].reward = static_cast<float>(result.reward);
    agents[0].terminated = result.terminated;
    agents[0].truncated = step_ >= max_episode_steps_;
    Observe(agents);
    return absl::OkStatus();
  }

  std::optional<Drawing> Draw() const override {
    if constexpr (requires { task_.Draw(state_); }) {
      return task_.Draw(state_);
    } else {
      return std::nullopt;
    }
  }

  absl::StatusOr<std::vector<double>> PhysicalState() const override {
    return std::vector<double>(state_.begin(), state_.end());
  }
  ExtraState Extra() const override { return {{"step", {static_cast<double>(step_)}}}; }

  absl::Status ResetTo(std::span<const double> state, const ExtraState& extra,
                       std::span<AgentSlot> agents) override {
    MILLRACE_RETURN_IF_ERROR(CheckStateSize(state_.size(), state));
    MILLRACE_ASSIGN_OR_RETURN(const auto numbers, ReadExtra(extra, {{"step", kMaxWholeNumber}}));
    step_ = static_cast<int64_t>(numbers.at("step"));
    std::ranges::copy(state, state_.begin());
    Observe(agents);
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> SaveState() const override {
    StateWriter writer;
    writer.Put(state_);
    writer.Put(step_);
    return writer.Take();
  }

  absl::Status RestoreState(std::string_view saved, std::span<AgentSlot> agents) override {
    StateReader reader(saved);
    reader.Get(state_);
    reader.Get(step_);
    MILLRACE_RETURN_IF_ERROR(reader.Finish());
    Observe(agents);
    return absl::OkStatus();
  }

 private:
  void Observe(std::span<AgentSlot> agents) {
    agents[0].present = true;
    task_.Observe(state_, agents[0].observation[0].As<float>());
  }

  const Task task_;
  const EnvironmentSpec spec_;
  const int64_t max_episode_steps_;
  typename Task::State state_{};
  int64_t step_ = 0;
};

// Reads the options all these tasks have. `fallback_limit`: Gymnasium's time limit.
template <typename Task>
absl::StatusOr<std::unique_ptr<Environment>> MakeClassicControl(Task task, const Options& options,
                                                                int64_t fallback_limit,
                                                                std::string_view name) {
  const int64_t limit = MaxEpisodeSteps(options, fallback_limit);
  MILLRACE_RETURN_IF_ERROR(options.Finish(name));
  return std::make_unique<ClassicControl<Task>>(std::move(task), limit);
}

}  // namespace millrace
