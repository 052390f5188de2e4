#include "env/agent_slots.h"

namespace millrace {

AgentSlots::AgentSlots(const EnvironmentSpec& spec)
    : spec_(spec), memory_(spec.agents.size()), slots_(spec.agents.size()) {
  for (size_t a = 0; a < memory_.size(); ++a) {
    Memory& memory = memory_[a];
    for (const Field& field : spec.agents[a].observation.fields) {
      const auto elements = static_cast<size_t>(NumElements(field.shape));
      memory.fields.emplace_back(elements * SizeOf(field.dtype));
      memory.views.push_back({field.dtype, field.shape, memory.fields.back().data()});
    }
    memory.discrete.resize(static_cast<size_t>(spec.agents[a].action.num_discrete()));
    memory.continuous.resize(static_cast<size_t>(spec.agents[a].action.continuous_size()));
    slots_[a].observation = memory.views;
    slots_[a].discrete = memory.discrete;
    slots_[a].continuous = memory.continuous;
    slots_[a].present = false;
  }
}

std::span<const uint8_t> AgentSlots::mask(size_t agent) const {
  const auto& fields = spec_.agents[agent].observation.fields;
  for (size_t f = 0; f < fields.size(); ++f) {
    if (fields[f].name == kActionMask) return memory_[agent].views[f].As<uint8_t>();
  }
  return {};
}

void AgentSlots::PrepareReset() {
  for (AgentSlot& slot : slots_) slot.present = false;
  PrepareStep();
}

void AgentSlots::PrepareStep() {
  for (size_t a = 0; a < slots_.size(); ++a) {
    memory_[a].was_present = slots_[a].present;
    slots_[a].reward = 0;
    slots_[a].terminated = slots_[a].truncated = false;
  }
}

void AgentSlots::FinishStep() {
  for (size_t a = 0; a < slots_.size(); ++a) {
    AgentSlot& slot = slots_[a];
    if (!memory_[a].was_present) {
      slot.reward = 0;
      slot.terminated = slot.truncated = false;
      continue;
    }
    if (!slot.present && !slot.terminated) slot.truncated = true;
    if (slot.terminated || slot.truncated) slot.present = false;
  }
}

bool AgentSlots::ended() const {
  for (const AgentSlot& slot : slots_) {
    if (slot.present) return false;
  }
  return true;
}

}  // namespace millrace
