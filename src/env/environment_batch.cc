#include "env/environment_batch.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "env/finite.h"
#include "env/guarded.h"
#include "env/state_bytes.h"
#include "millrace/core/check.h"
#include "millrace/core/rng.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

void Blank(const AgentPlace& place, std::span<const TensorView> views) {
  for (size_t f = 0; f < views.size(); ++f) {
    const int value = static_cast<int>(f) == place.mask_field ? 1 : 0;
    std::memset(views[f].data, value, place.field_bytes[f]);
  }
}

void CopyRow(const AgentPlace& place, size_t row, std::span<const TensorView> from,
             std::span<const TensorView> to) {
  for (size_t f = 0; f < to.size(); ++f) {
    std::memcpy(to[f].data + row * place.field_bytes[f], from[f].data, place.field_bytes[f]);
  }
}

bool SameSpec(const EnvironmentSpec& a, const EnvironmentSpec& b) {
  return std::ranges::equal(a.agents, b.agents, [](const AgentSpec& x, const AgentSpec& y) {
    return x.name == y.name && x.observation == y.observation && x.action == y.action;
  });
}

}  // namespace

EnvironmentBatch::EnvironmentBatch(std::string name,
                                   std::vector<std::unique_ptr<Environment>> environments)
    : name_(std::move(name)),
      environments_(std::move(environments)),
      statistics_(spec().statistics.size()) {}

std::string EnvironmentBatch::Place(size_t environment) const {
  return absl::StrCat("environment ", name_, ", number ", first_slot_ + environment);
}

absl::Status EnvironmentBatch::Bind(uint64_t seed, uint64_t first_slot, const AgentPolicies& agents,
                                    std::span<const PolicyRows> policies) {
  MILLRACE_ASSIGN_OR_RETURN(places_, PlaceAgents(spec(), size(), agents, policies));
  seed_ = seed;
  first_slot_ = first_slot;
  episodes_.assign(environments_.size(), 0);
  present_.assign(environments_.size() * places_.size(), 0);
  first_.assign(present_.size(), 0);
  views_.clear();
  slots_.assign(places_.size(), {});
  for (const AgentSpec& agent : spec().agents) {
    auto& views = views_.emplace_back();
    for (const Field& field : agent.observation.fields) {
      views.push_back({field.dtype, field.shape, nullptr});
    }
  }
  for (size_t a = 0; a < slots_.size(); ++a) slots_[a].observation = views_[a];
  return absl::OkStatus();
}

// Points the slots of all agents into the policies' rows of one environment and presets them.
void EnvironmentBatch::PointSlots(size_t environment, std::span<const PolicyRows> policies) {
  for (size_t a = 0; a < slots_.size(); ++a) {
    const AgentPlace& place = places_[a];
    const PolicyRows& rows = policies[place.policy];
    const size_t row = place.Row(environment);
    for (size_t f = 0; f < views_[a].size(); ++f) {
      views_[a][f].data = rows.observation[f].data + row * place.field_bytes[f];
    }
    AgentSlot& slot = slots_[a];
    slot.discrete = rows.discrete.subspan(row * place.num_discrete, place.num_discrete);
    slot.continuous = rows.continuous.subspan(row * place.continuous_size, place.continuous_size);
    slot.present = present_[environment * slots_.size() + a] != 0;
    slot.reward = 0;
    slot.terminated = slot.truncated = false;
  }
}

absl::Status EnvironmentBatch::CheckWritten(size_t environment, size_t agent) const {
  const AgentSlot& slot = slots_[agent];
  const AgentSpec& agent_spec = spec().agents[agent];
  if (!std::isfinite(slot.reward)) {
    return absl::InternalError(absl::StrCat(Place(environment), ", agent \"", agent_spec.name,
                                            "\": reward: expected a finite number, got ",
                                            slot.reward));
  }
  for (size_t f = 0; f < slot.observation.size(); ++f) {
    if (AllFinite(slot.observation[f])) continue;
    return absl::InternalError(absl::StrCat(
        Place(environment), ", agent \"", agent_spec.name, "\": observation field \"",
        agent_spec.observation.fields[f].name, "\": expected finite numbers, got NaN or infinity"));
  }
  return absl::OkStatus();
}

bool EnvironmentBatch::AnyonePresent() const {
  return std::ranges::any_of(slots_, [](const AgentSlot& slot) { return slot.present; });
}

absl::Status EnvironmentBatch::RequireSomebody(size_t environment, const char* call) const {
  if (AnyonePresent()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(Place(environment), ": ", call,
                                          ": expected at least one agent present, got none"));
}

// The slots point to the rows already.
absl::Status EnvironmentBatch::BeginEpisode(size_t environment) {
  for (AgentSlot& slot : slots_) slot.present = false;
  const uint64_t seed = EpisodeSeed(seed_, first_slot_ + environment, episodes_[environment]);
  absl::Status status =
      Guarded("Reset", [&] { return environments_[environment]->Reset(seed, slots_); });
  if (!status.ok()) return WithContext(status, Place(environment));
  MILLRACE_RETURN_IF_ERROR(RequireSomebody(environment, "Reset"));
  for (size_t a = 0; a < slots_.size(); ++a) {
    slots_[a].reward = 0;
    first_[environment * slots_.size() + a] = slots_[a].present ? 1 : 0;
    if (slots_[a].present) MILLRACE_RETURN_IF_ERROR(CheckWritten(environment, a));
  }
  return absl::OkStatus();
}

absl::Status EnvironmentBatch::CountStatistics(size_t environment) {
  const std::span<const double> values = environments_[environment]->EpisodeStatistics();
  if (values.size() != statistics_.size()) {
    return absl::InternalError(absl::StrCat(Place(environment), ": EpisodeStatistics: expected ",
                                            statistics_.size(), " numbers, got ", values.size()));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) continue;
    statistics_[i].sum += values[i];
    ++statistics_[i].count;
  }
  return absl::OkStatus();
}

void EnvironmentBatch::TakeStatistics(std::span<StatisticSum> sums) {
  for (size_t i = 0; i < statistics_.size(); ++i) {
    sums[i].sum += statistics_[i].sum;
    sums[i].count += statistics_[i].count;
    statistics_[i] = {};
  }
}

// Reads what the environment wrote for one agent in a step, and passes on what belongs to the step;
// what belongs to the next observation stays in the slot.
absl::Status EnvironmentBatch::SettleAgent(size_t environment, size_t agent,
                                           const PolicyRows& rows) {
  AgentSlot& slot = slots_[agent];
  const size_t row = places_[agent].Row(environment);
  const bool acted = present_[environment * slots_.size() + agent] != 0;
  if (!acted) {
    slot.reward = 0;
    slot.terminated = slot.truncated = false;
  } else if (!slot.present && !slot.terminated) {
    slot.truncated = true;
  }
  if (acted || slot.present) MILLRACE_RETURN_IF_ERROR(CheckWritten(environment, agent));
  rows.reward[row] = slot.reward;
  rows.terminated[row] = slot.terminated ? 1 : 0;
  rows.truncated[row] = slot.truncated ? 1 : 0;
  if (slot.terminated || slot.truncated) {
    CopyRow(places_[agent], row, slot.observation, rows.final_observation);
    slot.present = false;
  }
  first_[environment * slots_.size() + agent] = !acted && slot.present ? 1 : 0;
  return absl::OkStatus();
}

// Hands on who is there from this observation on, and blanks the rows of those who are not.
void EnvironmentBatch::WritePresence(size_t environment, std::span<const PolicyRows> policies) {
  for (size_t a = 0; a < slots_.size(); ++a) {
    const PolicyRows& rows = policies[places_[a].policy];
    const size_t row = places_[a].Row(environment);
    const size_t cell = environment * slots_.size() + a;
    present_[cell] = slots_[a].present ? 1 : 0;
    rows.present[row] = present_[cell];
    rows.first[row] = first_[cell];
    if (!slots_[a].present) Blank(places_[a], slots_[a].observation);
  }
}

absl::Status EnvironmentBatch::StepOne(size_t environment, std::span<const PolicyRows> policies) {
  PointSlots(environment, policies);
  absl::Status status = Guarded("Step", [&] { return environments_[environment]->Step(slots_); });
  if (!status.ok()) return WithContext(status, Place(environment));
  for (size_t a = 0; a < slots_.size(); ++a) {
    MILLRACE_RETURN_IF_ERROR(SettleAgent(environment, a, policies[places_[a].policy]));
  }
  if (!AnyonePresent()) {
    ++episodes_[environment];
    MILLRACE_RETURN_IF_ERROR(CountStatistics(environment));
    MILLRACE_RETURN_IF_ERROR(BeginEpisode(environment));
  }
  WritePresence(environment, policies);
  return absl::OkStatus();
}

absl::Status EnvironmentBatch::Step(std::span<const PolicyRows> policies) {
  MILLRACE_CHECK(!places_.empty(), "Step before Reset");
  for (size_t e = 0; e < environments_.size(); ++e) {
    MILLRACE_RETURN_IF_ERROR(StepOne(e, policies));
  }
  return absl::OkStatus();
}

absl::Status EnvironmentBatch::Reset(uint64_t seed, uint64_t first_slot,
                                     const AgentPolicies& agents,
                                     std::span<const PolicyRows> policies) {
  MILLRACE_RETURN_IF_ERROR(Bind(seed, first_slot, agents, policies));
  for (const AgentPlace& place : places_) ClearStepOutputs(policies[place.policy]);
  for (size_t e = 0; e < environments_.size(); ++e) {
    PointSlots(e, policies);
    MILLRACE_RETURN_IF_ERROR(BeginEpisode(e));
    WritePresence(e, policies);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> EnvironmentBatch::SaveState() const {
  StateWriter writer;
  for (size_t e = 0; e < environments_.size(); ++e) {
    auto state = Guarded("SaveState", [&] { return environments_[e]->SaveState(); });
    if (!state.ok()) return WithContext(state.status(), Place(e));
    writer.Put(episodes_[e]);
    writer.PutString(*state);
    for (size_t a = 0; a < places_.size(); ++a) writer.Put(first_[e * places_.size() + a]);
  }
  return writer.Take();
}

absl::Status EnvironmentBatch::RestoreState(std::string_view state, uint64_t seed,
                                            uint64_t first_slot, const AgentPolicies& agents,
                                            std::span<const PolicyRows> policies) {
  MILLRACE_RETURN_IF_ERROR(Bind(seed, first_slot, agents, policies));
  for (const AgentPlace& place : places_) ClearStepOutputs(policies[place.policy]);
  StateReader reader(state);
  for (size_t e = 0; e < environments_.size(); ++e) {
    reader.Get(episodes_[e]);
    const std::string_view saved = reader.GetString();
    for (size_t a = 0; a < places_.size(); ++a) reader.Get(first_[e * places_.size() + a]);
    PointSlots(e, policies);
    absl::Status status =
        Guarded("RestoreState", [&] { return environments_[e]->RestoreState(saved, slots_); });
    if (!status.ok()) return WithContext(status, Place(e));
    MILLRACE_RETURN_IF_ERROR(RequireSomebody(e, "RestoreState"));
    WritePresence(e, policies);
  }
  return reader.Finish();
}

absl::StatusOr<std::unique_ptr<VectorEnvironment>> MakeEnvironmentBatch(
    const EnvironmentFactory& factory, const Options& options, int count, const std::string& name) {
  if (count < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("environment ", name, ": expected at least 1 of it, got ", count));
  }
  std::vector<std::unique_ptr<Environment>> environments;
  for (int i = 0; i < count; ++i) {
    auto made = Guarded(absl::StrCat("the factory of environment ", name),
                        [&] { return factory(options); });
    if (!made.ok()) return made.status();
    if (*made == nullptr || (*made)->spec().agents.empty()) {
      return absl::InternalError(absl::StrCat(
          "environment ", name, ": its factory: expected an environment with at least one agent"));
    }
    if (i > 0 && !SameSpec(environments.front()->spec(), (*made)->spec())) {
      return absl::InternalError(
          absl::StrCat("environment ", name, ": expected equal specs from equal options"));
    }
    environments.push_back(*std::move(made));
  }
  return std::make_unique<EnvironmentBatch>(name, std::move(environments));
}

uint64_t EpisodeSeed(uint64_t seed, uint64_t slot, uint64_t episode) {
  const auto words = Philox(seed, slot, episode);
  return (static_cast<uint64_t>(words[0]) << 32) | words[1];
}

}  // namespace millrace
