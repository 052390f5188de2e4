#include "env/agent_places.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

AgentPlace PlaceOf(const AgentSpec& agent, size_t policy, size_t index) {
  AgentPlace place;
  place.policy = policy;
  place.index = index;
  place.num_discrete = static_cast<size_t>(agent.action.num_discrete());
  place.continuous_size = static_cast<size_t>(agent.action.continuous_size());
  for (const Field& field : agent.observation.fields) {
    if (field.name == kActionMask) place.mask_field = static_cast<int>(place.field_bytes.size());
    place.field_bytes.push_back(static_cast<size_t>(NumElements(field.shape)) *
                                SizeOf(field.dtype));
  }
  return place;
}

absl::Status CheckSize(size_t policy, const char* what, size_t expected, size_t got) {
  if (expected == got) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("rows of policy ", policy, ": ", what, ": expected ", expected, ", got ", got));
}

absl::Status CheckViews(const AgentPlace& place, size_t rows, const char* what,
                        std::span<const TensorView> views) {
  MILLRACE_RETURN_IF_ERROR(CheckSize(place.policy, what, place.field_bytes.size(), views.size()));
  for (size_t f = 0; f < views.size(); ++f) {
    MILLRACE_RETURN_IF_ERROR(
        CheckSize(place.policy, what, rows * place.field_bytes[f], views[f].bytes()));
  }
  return absl::OkStatus();
}

absl::Status CheckRows(const AgentPlace& place, int count, const PolicyRows& rows) {
  const size_t n = static_cast<size_t>(count) * place.agents_of_policy;
  const size_t p = place.policy;
  MILLRACE_RETURN_IF_ERROR(CheckViews(place, n, "observation", rows.observation));
  if (!rows.final_observation.empty()) {
    MILLRACE_RETURN_IF_ERROR(CheckViews(place, n, "final_observation", rows.final_observation));
  }
  MILLRACE_RETURN_IF_ERROR(CheckSize(p, "discrete", n * place.num_discrete, rows.discrete.size()));
  MILLRACE_RETURN_IF_ERROR(
      CheckSize(p, "continuous", n * place.continuous_size, rows.continuous.size()));
  MILLRACE_RETURN_IF_ERROR(CheckSize(p, "reward", n, rows.reward.size()));
  MILLRACE_RETURN_IF_ERROR(CheckSize(p, "terminated", n, rows.terminated.size()));
  MILLRACE_RETURN_IF_ERROR(CheckSize(p, "truncated", n, rows.truncated.size()));
  MILLRACE_RETURN_IF_ERROR(CheckSize(p, "first", n, rows.first.size()));
  return CheckSize(p, "present", n, rows.present.size());
}

bool SameSpec(const AgentSpec& a, const AgentSpec& b) {
  return a.observation == b.observation && a.action == b.action;
}

}  // namespace

absl::StatusOr<std::vector<AgentPlace>> PlaceAgents(const EnvironmentSpec& spec, int count,
                                                    const AgentPolicies& agents,
                                                    std::span<const PolicyRows> policies) {
  if (agents.size() != spec.agents.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("policies of agents: expected ", spec.agents.size(), ", got ", agents.size()));
  }
  std::vector<std::vector<size_t>> members(policies.size());
  std::vector<AgentPlace> places;
  for (size_t a = 0; a < agents.size(); ++a) {
    if (agents[a] < 0 || static_cast<size_t>(agents[a]) >= policies.size()) {
      return absl::InvalidArgumentError(absl::StrCat("policy of agent \"", spec.agents[a].name,
                                                     "\": expected 0 to ", policies.size() - 1,
                                                     ", got ", agents[a]));
    }
    auto& others = members[static_cast<size_t>(agents[a])];
    if (!others.empty() && !SameSpec(spec.agents[others.front()], spec.agents[a])) {
      return absl::InvalidArgumentError(absl::StrCat(
          "agents \"", spec.agents[others.front()].name, "\" and \"", spec.agents[a].name,
          "\" have one policy: expected equal observations and actions"));
    }
    places.push_back(PlaceOf(spec.agents[a], static_cast<size_t>(agents[a]), others.size()));
    others.push_back(a);
  }
  for (AgentPlace& place : places) {
    place.agents_of_policy = members[place.policy].size();
    MILLRACE_RETURN_IF_ERROR(CheckRows(place, count, policies[place.policy]));
  }
  return places;
}

void ClearStepOutputs(const PolicyRows& rows) {
  std::ranges::fill(rows.reward, 0.0f);
  std::ranges::fill(rows.terminated, uint8_t{0});
  std::ranges::fill(rows.truncated, uint8_t{0});
}

}  // namespace millrace
