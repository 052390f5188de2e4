// Environments one after another behind VectorEnvironment: the runner of everything that is not
// vectorised natively.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "env/agent_places.h"
#include "millrace/env/vector_environment.h"

namespace millrace {

// Environments write straight into the policies' rows; this class only points their slots there.
// Thread-compatible.
class EnvironmentBatch : public VectorEnvironment {
 public:
  EnvironmentBatch(std::string name, std::vector<std::unique_ptr<Environment>> environments);

  const EnvironmentSpec& spec() const override { return environments_.front()->spec(); }
  int size() const override { return static_cast<int>(environments_.size()); }
  absl::Status Reset(uint64_t seed, uint64_t first_slot, const AgentPolicies& agents,
                     std::span<const PolicyRows> policies) override;
  absl::Status Step(std::span<const PolicyRows> policies) override;
  void TakeStatistics(std::span<StatisticSum> sums) override;
  absl::StatusOr<std::string> SaveState() const override;
  absl::Status RestoreState(std::string_view state, uint64_t seed, uint64_t first_slot,
                            const AgentPolicies& agents,
                            std::span<const PolicyRows> policies) override;

 private:
  absl::Status Bind(uint64_t seed, uint64_t first_slot, const AgentPolicies& agents,
                    std::span<const PolicyRows> policies);
  void PointSlots(size_t environment, std::span<const PolicyRows> policies);
  absl::Status StepOne(size_t environment, std::span<const PolicyRows> policies);
  absl::Status BeginEpisode(size_t environment);
  absl::Status CountStatistics(size_t environment);
  absl::Status SettleAgent(size_t environment, size_t agent, const PolicyRows& rows);
  absl::Status CheckWritten(size_t environment, size_t agent) const;
  absl::Status RequireSomebody(size_t environment, const char* call) const;
  void WritePresence(size_t environment, std::span<const PolicyRows> policies);
  std::string Place(size_t environment) const;
  bool AnyonePresent() const;

  const std::string name_;
  const std::vector<std::unique_ptr<Environment>> environments_;

  uint64_t seed_ = 0;
  uint64_t first_slot_ = 0;
  std::vector<AgentPlace> places_;  // per agent
  std::vector<uint64_t> episodes_;  // per environment: the number of the running episode
  std::vector<uint8_t> present_;    // [environment, agent]
  std::vector<uint8_t> first_;      // [environment, agent]: the observation begins an episode

  std::vector<StatisticSum> statistics_;  // of episodes nobody has asked for

  // Scratch of the environment being called.
  std::vector<std::vector<TensorView>> views_;  // [agent][field]
  std::vector<AgentSlot> slots_;                // per agent
};

}  // namespace millrace
