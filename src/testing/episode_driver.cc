#include "testing/episode_driver.h"

#include "env/random_action.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

template <typename T>
void Append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void AppendFields(std::string& bytes, std::span<const TensorView> fields) {
  for (const TensorView& field : fields) {
    bytes.append(reinterpret_cast<const char*>(field.data), field.bytes());
  }
}

AgentPolicies ShareEqualSpecs(const EnvironmentSpec& spec) {
  AgentPolicies policies;
  std::vector<const AgentSpec*> distinct;
  for (const AgentSpec& agent : spec.agents) {
    size_t p = 0;
    while (p < distinct.size() && !(distinct[p]->observation == agent.observation &&
                                    distinct[p]->action == agent.action)) {
      ++p;
    }
    if (p == distinct.size()) distinct.push_back(&agent);
    policies.push_back(static_cast<int>(p));
  }
  return policies;
}

}  // namespace

EpisodeDriver::EpisodeDriver(std::unique_ptr<Environment> environment, uint64_t seed)
    : environment_(std::move(environment)),
      seed_(seed),
      actions_(seed, 77),
      agents_(environment_->spec()) {}

absl::Status EpisodeDriver::Reset() {
  agents_.PrepareReset();
  MILLRACE_RETURN_IF_ERROR(environment_->Reset(EpisodeSeed(seed_, 0, episode_++), agents_.slots()));
  trace_.push_back(Present());
  return inspect ? inspect(agents_, true) : absl::OkStatus();
}

absl::Status EpisodeDriver::Run(int steps) {
  for (int i = 0; i < steps; ++i) {
    MILLRACE_RETURN_IF_ERROR(StepOnce());
    if (agents_.ended()) MILLRACE_RETURN_IF_ERROR(Reset());
  }
  return absl::OkStatus();
}

absl::Status EpisodeDriver::Continue(const EpisodeDriver& other, std::string_view saved) {
  seed_ = other.seed_;
  episode_ = other.episode_;
  actions_ = other.actions_;
  agents_.PrepareReset();
  return environment_->RestoreState(saved, agents_.slots());
}

absl::Status EpisodeDriver::StepOnce() {
  DrawActions();
  agents_.PrepareStep();
  MILLRACE_RETURN_IF_ERROR(environment_->Step(agents_.slots()));
  trace_.push_back(Outcome());
  if (inspect) MILLRACE_RETURN_IF_ERROR(inspect(agents_, false));
  agents_.FinishStep();
  return absl::OkStatus();
}

void EpisodeDriver::DrawActions() {
  const auto& specs = environment_->spec().agents;
  for (size_t a = 0; a < specs.size(); ++a) {
    if (!agents_.slots()[a].present) continue;
    SampleRandomAction(specs[a].action, agents_.mask(a), actions_, agents_.discrete(a),
                       agents_.continuous(a));
  }
}

std::string EpisodeDriver::Present() const {
  std::string bytes;
  for (const AgentSlot& slot : agents_.slots()) {
    Append(bytes, slot.present);
    if (slot.present) AppendFields(bytes, slot.observation);
  }
  return bytes;
}

std::string EpisodeDriver::Outcome() const {
  std::string bytes;
  for (size_t a = 0; a < agents_.slots().size(); ++a) {
    const AgentSlot& slot = agents_.slots()[a];
    Append(bytes, slot.present);
    if (slot.present || agents_.acted(a)) AppendFields(bytes, slot.observation);
    if (!agents_.acted(a)) continue;
    Append(bytes, slot.reward);
    Append(bytes, slot.terminated);
    Append(bytes, slot.truncated);
  }
  return bytes;
}

GroupDriver::GroupDriver(std::unique_ptr<VectorEnvironment> group, uint64_t seed,
                         uint64_t first_slot)
    : group_(std::move(group)),
      seed_(seed),
      first_slot_(first_slot),
      agents_(ShareEqualSpecs(group_->spec())),
      buffer_(group_->spec(), agents_, group_->size()) {}

absl::Status GroupDriver::Reset() {
  MILLRACE_RETURN_IF_ERROR(group_->Reset(seed_, first_slot_, agents_, buffer_.rows()));
  return inspect ? inspect(true) : absl::OkStatus();
}

absl::Status GroupDriver::Run(int steps) {
  for (int i = 0; i < steps; ++i) {
    DrawActions();
    ++step_;
    MILLRACE_RETURN_IF_ERROR(group_->Step(buffer_.rows()));
    if (inspect) MILLRACE_RETURN_IF_ERROR(inspect(false));
  }
  return absl::OkStatus();
}

absl::Status GroupDriver::Continue(const GroupDriver& other, std::string_view saved) {
  step_ = other.step_;
  return group_->RestoreState(saved, seed_, first_slot_, agents_, buffer_.rows());
}

// Keyed by run-wide row and step, so that they do not depend on how environments are grouped.
void GroupDriver::DrawActions() {
  for (size_t p = 0; p < rows().size(); ++p) {
    const ActionSpec& spec = buffer_.agent(p).action;
    const auto discrete = static_cast<size_t>(spec.num_discrete());
    const auto continuous = static_cast<size_t>(spec.continuous_size());
    const auto choices = static_cast<size_t>(spec.num_choices());
    const std::span<const uint8_t> mask = buffer_.mask(p);
    const size_t count = rows()[p].reward.size();
    const size_t first_row = first_slot_ * count / static_cast<size_t>(group_->size());
    for (size_t row = 0; row < count; ++row) {
      Rng rng(seed_ + p, first_row + row, step_ * 1000);
      SampleRandomAction(spec, mask.empty() ? mask : mask.subspan(row * choices, choices), rng,
                         buffer_.discrete(p).subspan(row * discrete, discrete),
                         buffer_.continuous(p).subspan(row * continuous, continuous));
    }
  }
}

std::string GroupDriver::RowsOf(int environment) const {
  std::string bytes;
  const auto append_row = [&bytes](std::span<const TensorView> fields, size_t row) {
    for (const TensorView& field : fields) {
      const TensorView part = field[static_cast<int64_t>(row)];
      AppendFields(bytes, {&part, 1});
    }
  };
  for (const PolicyRows& policy : rows()) {
    const size_t agents = policy.reward.size() / static_cast<size_t>(group_->size());
    for (size_t k = 0; k < agents; ++k) {
      const size_t row = static_cast<size_t>(environment) * agents + k;
      append_row(policy.observation, row);
      Append(bytes, policy.reward[row]);
      Append(bytes, policy.terminated[row]);
      Append(bytes, policy.truncated[row]);
      Append(bytes, policy.first[row]);
      Append(bytes, policy.present[row]);
      if (policy.terminated[row] == 0 && policy.truncated[row] == 0) continue;
      append_row(policy.final_observation, row);
    }
  }
  return bytes;
}

}  // namespace millrace
