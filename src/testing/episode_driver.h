// Drives one environment, or one group, with random legal actions and writes down what it does.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "env/agent_slots.h"
#include "env/rows_buffer.h"
#include "millrace/core/rng.h"
#include "millrace/env/vector_environment.h"

namespace millrace {

// One string of bytes a step, with all that the environment wrote.
using EpisodeTrace = std::vector<std::string>;

// One environment, reset with EpisodeSeed(seed, 0, n) whenever it ends, as the runner does.
class EpisodeDriver {
 public:
  EpisodeDriver(std::unique_ptr<Environment> environment, uint64_t seed);

  absl::Status Reset();
  // Steps, resetting where an episode ends.
  absl::Status Run(int steps);
  // Goes on where `other` is, from its saved state.
  absl::Status Continue(const EpisodeDriver& other, std::string_view saved);

  Environment& environment() { return *environment_; }
  AgentSlots& agents() { return agents_; }
  // What was written so far.
  EpisodeTrace TakeTrace() { return std::move(trace_); }
  // Observations of those who are present, and who that is.
  std::string Present() const;
  // Called after every Reset and Step (before ended agents become absent) if set.
  std::function<absl::Status(const AgentSlots&, bool reset)> inspect;

 private:
  absl::Status StepOnce();
  void DrawActions();
  std::string Outcome() const;

  std::unique_ptr<Environment> environment_;
  uint64_t seed_;
  uint64_t episode_ = 0;
  Rng actions_;
  AgentSlots agents_;
  EpisodeTrace trace_;
};

// One group; agents with equal specs share a policy.
class GroupDriver {
 public:
  GroupDriver(std::unique_ptr<VectorEnvironment> group, uint64_t seed, uint64_t first_slot);

  absl::Status Reset();
  absl::Status Run(int steps);
  absl::Status Continue(const GroupDriver& other, std::string_view saved);

  VectorEnvironment& group() { return *group_; }
  std::span<const PolicyRows> rows() const { return buffer_.rows(); }
  const RowsBuffer& buffer() const { return buffer_; }
  // The bytes of one environment's rows in the last step.
  std::string RowsOf(int environment) const;
  // Called after every Reset and Step if set.
  std::function<absl::Status(bool reset)> inspect;

 private:
  void DrawActions();

  std::unique_ptr<VectorEnvironment> group_;
  uint64_t seed_;
  uint64_t first_slot_;
  AgentPolicies agents_;
  RowsBuffer buffer_;
  uint64_t step_ = 0;
};

}  // namespace millrace
