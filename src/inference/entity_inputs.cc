#include "inference/entity_inputs.h"

#include <algorithm>

namespace millrace {
namespace {

int IndexOf(const ObservationSpec& observation, const std::string& name) {
  const auto found = std::ranges::find(observation.fields, name, &Field::name);
  return found == observation.fields.end() ? -1
                                           : static_cast<int>(found - observation.fields.begin());
}

}  // namespace

EntityInputs EntityInputsOf(const ModelSpec& spec, Network network) {
  const EntitySpec& entity = spec.entity;
  EntityInputs inputs;
  int64_t column = 0;
  for (const Field& field : spec.observation.fields) {
    if (!spec.IsFeature(field)) continue;
    FeatureBlock block{field.name, column};
    column += NumElements(field.shape);
    if (network == Network::kActor && std::ranges::count(entity.critic_only, field.name) > 0) {
      continue;
    }
    const auto set = std::ranges::find(entity.sets, field.name, &EntitySpec::Set::field);
    const bool circular = std::ranges::count(entity.circular, field.name) > 0;
    if (set != entity.sets.end() || circular) {
      block.count = field.shape[0];
      block.width = NumElements(field.shape) / block.count;
    } else {
      block.width = NumElements(field.shape);
    }
    if (set != entity.sets.end()) {
      block.mask =
          IndexOf(spec.observation, network == Network::kCritic ? set->critic_mask : set->mask);
      inputs.sets.push_back(std::move(block));
    } else if (circular) {
      inputs.self_width += block.count * entity.circular_channels;
      inputs.circular.push_back(std::move(block));
    } else {
      inputs.self_width += block.width;
      inputs.flat.push_back(std::move(block));
    }
  }
  return inputs;
}

}  // namespace millrace
