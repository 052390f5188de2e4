// One environment of a vectorised type behind the single interface.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "env/rows_buffer.h"
#include "millrace/core/status.h"
#include "millrace/env/vector_environment.h"

namespace millrace {
namespace {

class SingleEnvironment : public Environment {
 public:
  explicit SingleEnvironment(std::unique_ptr<VectorEnvironment> group)
      : group_(std::move(group)),
        agents_(EachItsOwnPolicy(group_->spec().agents.size())),
        buffer_(group_->spec(), agents_, 1) {}

  const EnvironmentSpec& spec() const override { return group_->spec(); }

  absl::Status Reset(uint64_t seed, std::span<AgentSlot> agents) override {
    MILLRACE_RETURN_IF_ERROR(group_->Reset(seed, 0, agents_, buffer_.rows()));
    for (size_t a = 0; a < agents.size(); ++a) {
      const PolicyRows& row = buffer_.rows()[a];
      agents[a].present = row.present[0] != 0;
      CopyOut(row.observation, agents[a]);
    }
    return absl::OkStatus();
  }

  absl::Status Step(std::span<AgentSlot> agents) override {
    for (size_t a = 0; a < agents.size(); ++a) {
      std::ranges::copy(agents[a].discrete, buffer_.discrete(a).begin());
      std::ranges::copy(agents[a].continuous, buffer_.continuous(a).begin());
    }
    MILLRACE_RETURN_IF_ERROR(group_->Step(buffer_.rows()));
    const bool over = EveryoneEnded(agents);
    for (size_t a = 0; a < agents.size(); ++a) {
      const PolicyRows& row = buffer_.rows()[a];
      agents[a].reward = row.reward[0];
      agents[a].terminated = row.terminated[0] != 0;
      agents[a].truncated = row.truncated[0] != 0;
      // A group that is over has begun its next episode already, which is none of ours.
      agents[a].present = !over && row.present[0] != 0;
      CopyOut(Ended(row) ? row.final_observation : row.observation, agents[a]);
    }
    return absl::OkStatus();
  }

 private:
  static AgentPolicies EachItsOwnPolicy(size_t agents) {
    AgentPolicies policies(agents);
    std::iota(policies.begin(), policies.end(), 0);
    return policies;
  }

  static bool Ended(const PolicyRows& row) {
    return row.terminated[0] != 0 || row.truncated[0] != 0;
  }

  bool EveryoneEnded(std::span<const AgentSlot> before) const {
    for (size_t a = 0; a < before.size(); ++a) {
      if (before[a].present && !Ended(buffer_.rows()[a])) return false;
    }
    return true;
  }

  static void CopyOut(std::span<const TensorView> fields, const AgentSlot& slot) {
    for (size_t f = 0; f < fields.size(); ++f) {
      std::memcpy(slot.observation[f].data, fields[f].data, fields[f].bytes());
    }
  }

  const std::unique_ptr<VectorEnvironment> group_;
  const AgentPolicies agents_;
  RowsBuffer buffer_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Environment>> MakeSingleEnvironment(
    const VectorEnvironmentFactory& factory, const Options& options) {
  MILLRACE_ASSIGN_OR_RETURN(auto group, factory(options, 1));
  if (group == nullptr || group->size() != 1) {
    return absl::InternalError("the factory of a vectorised environment: expected a group of 1");
  }
  return std::make_unique<SingleEnvironment>(std::move(group));
}

}  // namespace millrace
