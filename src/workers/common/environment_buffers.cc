#include "workers/common/environment_buffers.h"

namespace millrace {
namespace {

void AddFields(EnvironmentBuffers::Part& part, const ObservationSpec& spec,
               std::vector<TensorView>& views) {
  for (const Field& field : spec.fields) {
    std::vector<int64_t> shape = {part.rows};
    shape.insert(shape.end(), field.shape.begin(), field.shape.end());
    part.shapes.push_back(std::move(shape));
    part.storage.emplace_back(static_cast<size_t>(NumElements(part.shapes.back())) *
                              SizeOf(field.dtype));
    views.push_back({field.dtype, part.shapes.back(), part.storage.back().data()});
  }
}

}  // namespace

EnvironmentBuffers::EnvironmentBuffers(const AgentAssignment& assignment, int environments) {
  for (const PolicyAgents& policy : assignment.policies) {
    auto part = std::make_unique<Part>();
    part->rows = environments * policy.agents;
    const size_t fields = 2 * policy.observation.fields.size();
    part->shapes.reserve(fields);  // views point at the elements
    part->storage.reserve(fields);
    AddFields(*part, policy.observation, part->observation);
    AddFields(*part, policy.observation, part->final_observation);
    const size_t rows = static_cast<size_t>(part->rows);
    part->discrete.resize(rows * static_cast<size_t>(policy.action.num_discrete()));
    part->continuous.resize(rows * static_cast<size_t>(policy.action.continuous_size()));
    part->reward.resize(rows);
    part->terminated.resize(rows);
    part->truncated.resize(rows);
    part->first.resize(rows);
    part->present.resize(rows);
    rows_.push_back({.observation = part->observation,
                     .final_observation = part->final_observation,
                     .discrete = part->discrete,
                     .continuous = part->continuous,
                     .reward = part->reward,
                     .terminated = part->terminated,
                     .truncated = part->truncated,
                     .first = part->first,
                     .present = part->present});
    parts_.push_back(std::move(part));
  }
}

}  // namespace millrace
