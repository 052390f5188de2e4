#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/env_cli.h"
#include "env/random_action.h"
#include "env/rows_buffer.h"
#include "millrace/core/nearest_name.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

using Clock = std::chrono::steady_clock;

AgentPolicies EachItsOwnPolicy(size_t agents) {
  AgentPolicies policies(agents);
  std::iota(policies.begin(), policies.end(), 0);
  return policies;
}

// One group whose agents are driven by random policies, one policy an agent.
class RandomDriver {
 public:
  RandomDriver(VectorEnvironment& group, uint64_t seed, uint64_t first_slot,
               const BenchActions& actions)
      : group_(group),
        agents_(EachItsOwnPolicy(group.spec().agents.size())),
        buffer_(group.spec(), agents_, group.size()),
        rows_(buffer_.rows().begin(), buffer_.rows().end()),
        rng_(seed, first_slot),
        actions_(actions) {
    for (size_t p = 0; p < rows_.size(); ++p) masked_ |= !buffer_.mask(p).empty();
    prepared_.resize(masked_ ? 1 : kPrepared, std::vector<Actions>(rows_.size()));
    for (std::vector<Actions>& set : prepared_) {
      for (size_t p = 0; p < rows_.size(); ++p) {
        set[p].discrete.resize(rows_[p].discrete.size());
        set[p].continuous.resize(rows_[p].continuous.size());
        Draw(p, set[p]);
      }
    }
  }

  absl::Status Reset(uint64_t seed, uint64_t first_slot) {
    return group_.Reset(seed, first_slot, agents_, rows_);
  }

  absl::Status Step() {
    set_ = (set_ + 1) % prepared_.size();
    for (size_t p = 0; p < rows_.size(); ++p) {
      Actions& actions = prepared_[set_][p];
      if (masked_) Draw(p, actions);
      rows_[p].discrete = actions.discrete;
      rows_[p].continuous = actions.continuous;
      agent_steps_ += std::accumulate(rows_[p].present.begin(), rows_[p].present.end(), int64_t{0});
    }
    return group_.Step(rows_);
  }

  int64_t agent_steps() const { return agent_steps_; }

 private:
  static constexpr size_t kPrepared = 8;
  struct Actions {
    std::vector<int32_t> discrete;
    std::vector<float> continuous;
  };

  // Actions of all rows of one policy.
  void Draw(size_t policy, Actions& actions) {
    const ActionSpec& spec = buffer_.agent(policy).action;
    const auto discrete = static_cast<size_t>(spec.num_discrete());
    const auto continuous = static_cast<size_t>(spec.continuous_size());
    const auto choices = static_cast<size_t>(spec.num_choices());
    const std::span<const uint8_t> mask = buffer_.mask(policy);
    for (size_t row = 0; row < rows_[policy].reward.size(); ++row) {
      SampleRandomAction(spec, mask.empty() ? mask : mask.subspan(row * choices, choices), rng_,
                         std::span(actions.discrete).subspan(row * discrete, discrete),
                         std::span(actions.continuous).subspan(row * continuous, continuous),
                         actions_.reals);
      size_t component = 0;
      for (const ActionComponent& each : spec.components) {
        if (each.kind != ActionComponent::Kind::kDiscrete) continue;
        const auto held = actions_.held.find(each.name);
        if (held != actions_.held.end()) {
          actions.discrete[row * discrete + component] = held->second;
        }
        ++component;
      }
    }
  }

  VectorEnvironment& group_;
  const AgentPolicies agents_;
  RowsBuffer buffer_;
  std::vector<PolicyRows> rows_;
  Rng rng_;
  const BenchActions& actions_;
  bool masked_ = false;
  std::vector<std::vector<Actions>> prepared_;  // [set][policy], used in turn
  size_t set_ = 0;
  int64_t agent_steps_ = 0;
};

absl::Status CheckHeld(const EnvironmentSpec& spec, const BenchActions& actions) {
  std::vector<std::string> names;
  for (const auto& [name, choice] : actions.held) {
    bool fits = false;
    for (const AgentSpec& agent : spec.agents) {
      for (const ActionComponent& component : agent.action.components) {
        names.push_back(component.name);
        fits |= component.name == name && component.kind == ActionComponent::Kind::kDiscrete &&
                choice >= 0 && choice < component.choices;
      }
    }
    if (fits) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--hold ", name, "=", choice,
                     ": expected a discrete component of the action and one of its ", "choices",
                     DidYouMean(name, names)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EnvBenchResult> BenchEnvironment(
    std::span<const std::unique_ptr<VectorEnvironment>> groups,
    std::chrono::duration<double> duration, const BenchActions& actions, uint64_t seed) {
  std::vector<std::unique_ptr<RandomDriver>> drivers;
  uint64_t first_slot = 0;
  for (const auto& group : groups) {
    MILLRACE_RETURN_IF_ERROR(CheckHeld(group->spec(), actions));
    drivers.push_back(std::make_unique<RandomDriver>(*group, seed, first_slot, actions));
    MILLRACE_RETURN_IF_ERROR(drivers.back()->Reset(seed, first_slot));
    first_slot += static_cast<uint64_t>(group->size());
  }
  EnvBenchResult result;
  const Clock::time_point start = Clock::now();
  Clock::duration elapsed{};
  do {
    for (size_t g = 0; g < drivers.size(); ++g) {
      MILLRACE_RETURN_IF_ERROR(drivers[g]->Step());
      result.env_steps += groups[g]->size();
    }
    elapsed = Clock::now() - start;
  } while (elapsed < duration && !drivers.empty());
  result.seconds = std::chrono::duration<double>(elapsed).count();
  for (const auto& driver : drivers) result.agent_steps += driver->agent_steps();
  return result;
}

}  // namespace millrace
