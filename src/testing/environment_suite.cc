#include "millrace/testing/environment_suite.h"

#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "env/finite.h"
#include "millrace/core/status.h"
#include "testing/episode_driver.h"

namespace millrace {
namespace {

constexpr uint64_t kSeed = 5;
constexpr int kSteps = 600;

template <typename... Parts>
absl::Status Violation(const Parts&... parts) {
  return absl::FailedPreconditionError(absl::StrCat(parts...));
}

absl::StatusOr<std::unique_ptr<EpisodeDriver>> Drive(const EnvironmentFactory& factory,
                                                     const Options& options,
                                                     uint64_t seed = kSeed) {
  MILLRACE_ASSIGN_OR_RETURN(auto environment, factory(options));
  if (environment == nullptr || environment->spec().agents.empty()) {
    return Violation("factory: expected an environment with at least one agent");
  }
  return std::make_unique<EpisodeDriver>(std::move(environment), seed);
}

absl::Status CheckComponent(const ActionComponent& component) {
  if (component.kind == ActionComponent::Kind::kDiscrete) {
    return component.choices >= 1
               ? absl::OkStatus()
               : Violation("expected at least 1 choice, got ", component.choices);
  }
  if (component.low.empty() || component.low.size() != component.high.size()) {
    return Violation("expected equally long low and high, got ", component.low.size(), " and ",
                     component.high.size());
  }
  for (size_t i = 0; i < component.low.size(); ++i) {
    if (component.low[i] <= component.high[i]) continue;
    return Violation("expected low <= high, got ", component.low[i], " and ", component.high[i]);
  }
  return absl::OkStatus();
}

absl::Status CheckAgentSpec(const AgentSpec& agent) {
  MILLRACE_RETURN_IF_ERROR(Schema::Create(agent.observation.fields).status());
  if (agent.observation.fields.empty()) return Violation("expected an observation field");
  if (agent.action.components.empty()) return Violation("expected an action component");
  for (const ActionComponent& component : agent.action.components) {
    MILLRACE_RETURN_IF_ERROR(WithContext(CheckComponent(component), component.name));
  }
  for (const Field& field : agent.observation.fields) {
    const bool fits =
        field.name != kActionMask ||
        (field.dtype == DType::kUInt8 && NumElements(field.shape) == agent.action.num_choices());
    if (!fits) return Violation("action_mask: expected uint8 [", agent.action.num_choices(), "]");
  }
  return absl::OkStatus();
}

absl::Status SpecIsValid(const EnvironmentFactory& factory, const Options& options) {
  MILLRACE_ASSIGN_OR_RETURN(auto driver, Drive(factory, options));
  std::set<std::string> names;
  for (const AgentSpec& agent : driver->environment().spec().agents) {
    if (!names.insert(agent.name).second) {
      return Violation("agent names: expected each once, got \"", agent.name, "\" twice");
    }
    MILLRACE_RETURN_IF_ERROR(WithContext(CheckAgentSpec(agent), "agent " + agent.name));
  }
  return absl::OkStatus();
}

// Every component of a mask has an allowed choice.
absl::Status CheckMask(const ActionSpec& action, std::span<const uint8_t> mask) {
  size_t begin = 0;
  for (const ActionComponent& component : action.components) {
    if (component.kind != ActionComponent::Kind::kDiscrete || mask.empty()) continue;
    bool any = false;
    for (int32_t c = 0; c < component.choices; ++c) any |= mask[begin++] != 0;
    if (!any) return Violation("action_mask of ", component.name, ": expected an allowed choice");
  }
  return absl::OkStatus();
}

absl::Status CheckSlot(const AgentSpec& agent, const AgentSlot& slot, std::span<const uint8_t> mask,
                       bool ended) {
  if (!std::isfinite(slot.reward)) return Violation("expected a finite reward");
  for (size_t f = 0; f < slot.observation.size(); ++f) {
    if (AllFinite(slot.observation[f])) continue;
    return Violation("expected finite values in ", agent.observation.fields[f].name);
  }
  return ended ? absl::OkStatus() : CheckMask(agent.action, mask);
}

absl::Status WritesAreFiniteAndMasksAllowSomething(const EnvironmentFactory& factory,
                                                   const Options& options) {
  MILLRACE_ASSIGN_OR_RETURN(auto driver, Drive(factory, options));
  const EnvironmentSpec& spec = driver->environment().spec();
  driver->inspect = [&spec](const AgentSlots& agents, bool reset) {
    if (reset && agents.ended()) return Violation("expected an agent present after Reset");
    for (size_t a = 0; a < spec.agents.size(); ++a) {
      const AgentSlot& slot = agents.slots()[a];
      if (!slot.present && (reset || !agents.acted(a))) continue;
      const bool ended = !slot.present || slot.terminated || slot.truncated;
      MILLRACE_RETURN_IF_ERROR(WithContext(CheckSlot(spec.agents[a], slot, agents.mask(a), ended),
                                           "agent " + spec.agents[a].name));
    }
    return absl::OkStatus();
  };
  MILLRACE_RETURN_IF_ERROR(driver->Reset());
  return driver->Run(kSteps);
}

absl::Status Compare(const EpisodeTrace& one, const EpisodeTrace& other, const char* what) {
  for (size_t i = 0; i < std::min(one.size(), other.size()); ++i) {
    if (one[i] != other[i]) return Violation(what, ": they part at entry ", i);
  }
  return one.size() == other.size() ? absl::OkStatus() : Violation(what, ": lengths differ");
}

absl::Status EqualSeedsGiveEqualEpisodes(const EnvironmentFactory& factory,
                                         const Options& options) {
  EpisodeTrace traces[2];
  for (EpisodeTrace& trace : traces) {
    MILLRACE_ASSIGN_OR_RETURN(auto driver, Drive(factory, options));
    MILLRACE_RETURN_IF_ERROR(driver->Reset());
    MILLRACE_RETURN_IF_ERROR(driver->Run(kSteps));
    trace = driver->TakeTrace();
  }
  return Compare(traces[0], traces[1], "two runs with one seed");
}

absl::Status ResetForgetsTheEpisodeBefore(const EnvironmentFactory& factory,
                                          const Options& options) {
  MILLRACE_ASSIGN_OR_RETURN(auto used, Drive(factory, options, kSeed + 1));
  MILLRACE_RETURN_IF_ERROR(used->Reset());
  MILLRACE_RETURN_IF_ERROR(used->Run(7));
  used->agents().PrepareReset();
  MILLRACE_RETURN_IF_ERROR(used->environment().Reset(kSeed, used->agents().slots()));

  MILLRACE_ASSIGN_OR_RETURN(auto fresh, Drive(factory, options));
  fresh->agents().PrepareReset();
  MILLRACE_RETURN_IF_ERROR(fresh->environment().Reset(kSeed, fresh->agents().slots()));
  return Compare({used->Present()}, {fresh->Present()}, "a used and a fresh environment");
}

absl::Status SavedStateGoesOnBitEqually(const EnvironmentFactory& factory, const Options& options) {
  for (int before : {0, 1, 5, 23, 211}) {
    MILLRACE_ASSIGN_OR_RETURN(auto whole, Drive(factory, options));
    MILLRACE_RETURN_IF_ERROR(whole->Reset());
    MILLRACE_RETURN_IF_ERROR(whole->Run(before));
    const absl::StatusOr<std::string> saved = whole->environment().SaveState();
    if (absl::IsUnimplemented(saved.status())) return absl::OkStatus();
    MILLRACE_RETURN_IF_ERROR(saved.status());
    MILLRACE_ASSIGN_OR_RETURN(auto resumed, Drive(factory, options, kSeed + 1));
    MILLRACE_RETURN_IF_ERROR(resumed->Continue(*whole, *saved));
    if (resumed->Present() != whole->Present()) {
      return Violation("RestoreState: expected the observation of the moment of SaveState");
    }
    whole->TakeTrace();
    MILLRACE_RETURN_IF_ERROR(whole->Run(kSteps / 2));
    MILLRACE_RETURN_IF_ERROR(resumed->Run(kSteps / 2));
    MILLRACE_RETURN_IF_ERROR(
        Compare(whole->TakeTrace(), resumed->TakeTrace(), "an episode and its continuation"));
  }
  return absl::OkStatus();
}

// After steps an observation may hold more than the state says (contact forces of the last step),
// so it is compared with that of a used environment that was reset to the same state.
absl::Status PhysicalStateComesBack(const EnvironmentFactory& factory, const Options& options) {
  for (int before : {0, 1, 4, 17}) {
    MILLRACE_ASSIGN_OR_RETURN(auto first, Drive(factory, options));
    MILLRACE_RETURN_IF_ERROR(first->Reset());
    MILLRACE_RETURN_IF_ERROR(first->Run(before));
    const auto state = first->environment().PhysicalState();
    if (absl::IsUnimplemented(state.status())) return absl::OkStatus();
    MILLRACE_RETURN_IF_ERROR(state.status());
    MILLRACE_ASSIGN_OR_RETURN(auto second, Drive(factory, options));
    second->agents().PrepareReset();
    const ExtraState extra = first->environment().Extra();
    MILLRACE_RETURN_IF_ERROR(
        second->environment().ResetTo(*state, extra, second->agents().slots()));
    const auto again = second->environment().PhysicalState();
    MILLRACE_RETURN_IF_ERROR(again.status());
    if (*again != *state || second->environment().Extra() != extra) {
      return Violation("ResetTo: expected the state and extra that were given");
    }
    if (before > 0) {
      first->agents().PrepareReset();
      MILLRACE_RETURN_IF_ERROR(
          first->environment().ResetTo(*state, extra, first->agents().slots()));
    }
    if (second->Present() != first->Present()) {
      return Violation("ResetTo: expected the observation that belongs to the state");
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<EnvironmentCheck> EnvironmentChecks() {
  return {
      {"SpecIsValid", SpecIsValid},
      {"WritesAreFiniteAndMasksAllowSomething", WritesAreFiniteAndMasksAllowSomething},
      {"EqualSeedsGiveEqualEpisodes", EqualSeedsGiveEqualEpisodes},
      {"ResetForgetsTheEpisodeBefore", ResetForgetsTheEpisodeBefore},
      {"SavedStateGoesOnBitEqually", SavedStateGoesOnBitEqually},
      {"PhysicalStateComesBack", PhysicalStateComesBack},
  };
}

}  // namespace millrace
