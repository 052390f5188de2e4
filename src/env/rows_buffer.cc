#include "env/rows_buffer.h"

#include <algorithm>

#include "millrace/core/check.h"

namespace millrace {

struct RowsBuffer::Memory {
  AgentSpec agent;
  std::vector<std::vector<std::byte>> bytes;
  std::vector<std::vector<int64_t>> shapes;  // per field, with the leading B
  std::vector<TensorView> observation, final_observation;
  std::vector<int32_t> discrete;
  std::vector<float> continuous;
  std::vector<float> reward;
  std::vector<uint8_t> terminated, truncated, first, present;

  Memory(const AgentSpec& agent_spec, size_t rows)
      : agent(agent_spec),
        discrete(rows * static_cast<size_t>(agent.action.num_discrete())),
        continuous(rows * static_cast<size_t>(agent.action.continuous_size())),
        reward(rows),
        terminated(rows),
        truncated(rows),
        first(rows),
        present(rows) {
    for (const Field& field : agent.observation.fields) {
      auto& shape = shapes.emplace_back(field.shape);
      shape.insert(shape.begin(), static_cast<int64_t>(rows));
    }
    for (size_t f = 0; f < shapes.size(); ++f) {
      observation.push_back(NewView(f));
      final_observation.push_back(NewView(f));
    }
  }

  TensorView NewView(size_t field) {
    const DType dtype = agent.observation.fields[field].dtype;
    bytes.emplace_back(static_cast<size_t>(NumElements(shapes[field])) * SizeOf(dtype));
    return {dtype, shapes[field], bytes.back().data()};
  }

  PolicyRows Rows() {
    return {observation, final_observation, discrete, continuous, reward,
            terminated,  truncated,         first,    present};
  }
};

RowsBuffer::RowsBuffer(const EnvironmentSpec& spec, const AgentPolicies& agents, int count) {
  MILLRACE_CHECK(agents.size() == spec.agents.size());
  const int policies = *std::ranges::max_element(agents) + 1;
  for (int p = 0; p < policies; ++p) {
    const auto member = std::ranges::find(agents, p);
    MILLRACE_CHECK(member != agents.end(), "a policy without agents");
    const auto members = std::ranges::count(agents, p);
    const AgentSpec& agent = spec.agents[static_cast<size_t>(member - agents.begin())];
    memory_.push_back(std::make_unique<Memory>(agent, static_cast<size_t>(members * count)));
    rows_.push_back(memory_.back()->Rows());
  }
}

RowsBuffer::~RowsBuffer() = default;

const AgentSpec& RowsBuffer::agent(size_t policy) const { return memory_[policy]->agent; }
std::span<int32_t> RowsBuffer::discrete(size_t policy) { return memory_[policy]->discrete; }
std::span<float> RowsBuffer::continuous(size_t policy) { return memory_[policy]->continuous; }

std::span<const uint8_t> RowsBuffer::mask(size_t policy) const {
  const auto& fields = memory_[policy]->agent.observation.fields;
  for (size_t f = 0; f < fields.size(); ++f) {
    if (fields[f].name == kActionMask) return memory_[policy]->observation[f].As<uint8_t>();
  }
  return {};
}

}  // namespace millrace
