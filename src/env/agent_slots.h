// The agents of one environment with memory of their own: for everything that steps a single
// environment outside the runner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "millrace/env/environment.h"

namespace millrace {

// `spec` must outlive it. Neither copied nor moved: the slots point into it. Thread-compatible.
class AgentSlots {
 public:
  explicit AgentSlots(const EnvironmentSpec& spec);
  AgentSlots(const AgentSlots&) = delete;
  AgentSlots& operator=(const AgentSlots&) = delete;

  std::span<AgentSlot> slots() { return slots_; }
  std::span<const AgentSlot> slots() const { return slots_; }
  std::span<int32_t> discrete(size_t agent) { return memory_[agent].discrete; }
  std::span<float> continuous(size_t agent) { return memory_[agent].continuous; }
  // The agent's action mask, or nothing if it has none.
  std::span<const uint8_t> mask(size_t agent) const;

  // What the runner does around the environment's calls (see Environment): presets the slots, then
  // settles who is present afterwards.
  void PrepareReset();
  void PrepareStep();
  void FinishStep();
  // Whether the agent was present when PrepareStep() was called last.
  bool acted(size_t agent) const { return memory_[agent].was_present; }
  // No agent is present any more: the episode is over.
  bool ended() const;

 private:
  struct Memory {
    std::vector<std::vector<std::byte>> fields;
    std::vector<TensorView> views;
    std::vector<int32_t> discrete;
    std::vector<float> continuous;
    bool was_present = false;
  };
  const EnvironmentSpec& spec_;
  std::vector<Memory> memory_;
  std::vector<AgentSlot> slots_;
};

}  // namespace millrace
