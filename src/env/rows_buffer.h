// Policy rows with memory of their own: for everything that steps a group outside an actor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "millrace/env/vector_environment.h"

namespace millrace {

// Rows of `count` environments for every policy that `agents` names. Thread-compatible.
class RowsBuffer {
 public:
  // `agents` must fit the spec (see AgentPolicies).
  RowsBuffer(const EnvironmentSpec& spec, const AgentPolicies& agents, int count);
  ~RowsBuffer();

  std::span<const PolicyRows> rows() const { return rows_; }
  // The spec of the agents that this policy drives.
  const AgentSpec& agent(size_t policy) const;
  // Where to write the actions of a policy: [B, num_discrete] and [B, continuous_size].
  std::span<int32_t> discrete(size_t policy);
  std::span<float> continuous(size_t policy);
  // The action masks [B, num_choices], or nothing if there are none.
  std::span<const uint8_t> mask(size_t policy) const;

 private:
  struct Memory;
  std::vector<std::unique_ptr<Memory>> memory_;  // per policy
  std::vector<PolicyRows> rows_;
};

}  // namespace millrace
